/** Limits and whole numbers: clip, round, floor, ceil, mod. */
import { exactly, ofFloat, requireTensors } from '../arguments.js';
import type { Tensor } from '../tensor.js';
import { cast, equal, greater, less, notEqual, where } from './comparison.js';
import { abs, add, div, mul, neg, sign, sub } from './elementwise.js';
import { type Operand, operands } from './operand.js';
import { stopGradient } from './view.js';

/**
 * `x` limited to [low, high], which broadcast with it; -Infinity or Infinity is no limit. The
 * gradient reaches x where low <= x <= high, as in PyTorch, and otherwise the limit. Where low > high
 * the result is high. NaN stays NaN.
 */
export const clip = /* @__PURE__ */ exactly('clip', (x: Tensor, low: Operand, high: Operand) => {
  requireTensors('clip', x);
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
 * have one dtype and shapes that broadcast. It is exact while |a / b| < 2^24 (2^53 for float64); for
 * int32 always. mod(a, 0) is NaN, for int32 a.
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
  const lost = productError(whole, divisor);
  const minus = (x: Tensor, y: Tensor) => sub(sub(x, mul(whole, y)), lost);
  // Rounding the quotient up to a whole number makes the rest negative; down, larger than b.
  const rest = mul(minus(constant, divisor), sign(divisor));
  const off = sub(cast(greater(rest, abs(divisor)), a.dtype), cast(less(rest, 0), a.dtype));
  const inside = sub(minus(a, b), mul(off, b));
  const unreached = mul(equal(abs(b), Infinity), less(abs(constant), Infinity));
  const opposite = less(mul(constant, sign(divisor)), 0);
  return where(unreached, where(opposite, b, a), inside);
});

/** a b minus its rounded value, exactly (Dekker 1971); 0 where that overflows. */
function productError(a: Tensor, b: Tensor): Tensor {
  const factor = a.dtype === 'float32' ? 2 ** 12 + 1 : 2 ** 27 + 1;
  const halves = (x: Tensor) => {
    const shifted = mul(x, factor);
    const high = sub(shifted, sub(shifted, x));
    return [high, sub(x, high)];
  };
  const [highA, lowA] = halves(a);
  const [highB, lowB] = halves(b);
  const high = add(sub(mul(highA, highB), mul(a, b)), add(mul(highA, lowB), mul(lowA, highB)));
  const error = add(high, mul(lowA, lowB));
  return where(less(abs(error), Infinity), error, 0);
}
