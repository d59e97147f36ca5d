/** Limits and whole numbers: clip, round, floor, ceil, mod. */
import { exactly, ofFloat, requireTensors } from '../arguments.js';
import type { Tensor } from '../tensor.js';
import { cast, equal, greater, less, notEqual, where } from './comparison.js';
import { abs, add, div, mul, neg, sign, sub } from './elementwise.js';
import { type Operand, operands } from './operand.js';
import { stopGradient } from './view.js';

/**
 * Limits `x` to [low, high], which broadcast with it; -Infinity or Infinity is no limit. The
 * gradient reaches x where low <= x <= high, as in PyTorch, and otherwise the limit. Where low > high
 * the result is high. NaN stays NaN.
 */
export const clip = /* @__PURE__ */ exactly('clip', (x: Tensor, low: Operand, high: Operand) => {
  requireTensors('clip', x, ...[low, high].filter((limit) => typeof limit !== 'number'));
  const [, least] = operands('clip', x, low);
  const [, most] = operands('clip', x, high);
  const raised = where(less(x, least), least, x);
  return where(greater(raised, most), most, raised);
});

/** The nearest whole number, the even one of two that are equally near. No gradient flows back. */
export const round = /* @__PURE__ */ ofFloat('round', (x) => rounded(stopGradient(x)));

/** The largest whole number up to x. No gradient flows back. */
export const floor = /* @__PURE__ */ ofFloat('floor', (x) => below(stopGradient(x)));

/** The smallest whole number from x on. No gradient flows back. */
export const ceil = /* @__PURE__ */ ofFloat('ceil', (x) => neg(below(neg(stopGradient(x)))));

/** Adding a number whose last digit is 1 rounds to whole numbers, half to even. */
function rounded(x: Tensor): Tensor {
  const large = x.dtype === 'float32' ? 2 ** 23 : 2 ** 52; // from here on all floats are whole
  const size = abs(x);
  const whole = sub(add(size, large), large);
  return where(less(size, large), mul(sign(x), whole), x);
}

function below(x: Tensor): Tensor {
  const near = rounded(x);
  return where(greater(near, x), sub(near, 1), near);
}

/**
 * The remainder a - floor(a / b) b, which has the sign of b, as in Python and NumPy. Both operands
 * have one dtype and shapes that broadcast. For int32 it is exact, for floats while |a / b| < 2^12
 * (2^26 for float64), and beyond as exact as a. mod(a, 0) is NaN, for int32 a.
 */
export const mod = /* @__PURE__ */ exactly('mod', (first: Operand, second: Operand) => {
  const [a, b] = operands('mod', first, second);
  requireTensors('mod', a, b);
  const [constant, divisor] = [stopGradient(a), stopGradient(b)];
  const quotient = div(constant, divisor);
  if (a.dtype === 'int32') {
    const rest = sub(a, mul(quotient, b));
    const wrong = mul(notEqual(less(rest, 0), less(b, 0)), notEqual(rest, 0));
    return where(wrong, add(rest, b), rest);
  }
  const whole = below(quotient);
  // Two halves of the divisor, so that both products are exact (Dekker 1971).
  const shifted = mul(divisor, a.dtype === 'float32' ? 2 ** 12 + 1 : 2 ** 27 + 1);
  const upper = sub(shifted, sub(shifted, divisor));
  const size = abs(divisor);
  const high = where(less(size, 2 ** 100), upper, divisor); // not where the shift overflows
  const restOf = (x: Tensor, y: Tensor) => sub(sub(x, mul(whole, high)), mul(whole, sub(y, high)));
  // Rounding the quotient up to a whole number makes the rest negative; down, larger than b.
  const rest = mul(restOf(constant, divisor), sign(divisor));
  const off = sub(cast(greater(rest, size), a.dtype), cast(less(rest, 0), a.dtype));
  const unreached = mul(equal(size, Infinity), less(abs(constant), Infinity));
  const opposite = less(mul(constant, sign(divisor)), 0);
  return where(unreached, where(opposite, b, a), sub(restOf(a, b), mul(off, b)));
});
