/** Functions of one or two floats, composed of others so that no digits are lost: tan, log1p, expm1, atan2. */
import { broadcastShapes, commonDtype, exactly, ofFloat, requireFloat } from '../arguments.js';
import { type Operation, run } from '../run.js';
import type { Tensor } from '../tensor.js';
import { equal, less, where } from './comparison.js';
import {
  abs,
  add,
  cos,
  div,
  exp,
  log,
  maximum,
  mul,
  neg,
  sign,
  sin,
  square,
  sub,
  tanh,
} from './elementwise.js';
import { type Operand, operands } from './operand.js';

/** Tangent of x in radians. Accepts float tensors, as do all of these. */
export const tan = /* @__PURE__ */ ofFloat('tan', (x) => div(sin(x), cos(x)));

const log1pOperation: Operation = {
  name: 'log1p',
  infer: (inputs) => inputs,
  forward: () => undefined,
  /** log(u) x / (u - 1) with u the rounded 1 + x, whose error cancels (Kahan). */
  definition([x]) {
    const u = add(x, 1);
    const moved = sub(u, 1);
    const far = log(u);
    const near = where(equal(moved, 0), x, mul(far, div(x, moved)));
    return [where(less(abs(x), 0.5), near, far)];
  },
  keepsRules: true,
  gradients: ([g], { inputs: [x] }) => div(g, add(x, 1)),
};

/** log(1 + x), accurate near 0 too. */
export const log1p = /* @__PURE__ */ ofFloat(
  'log1p',
  (x) => run(log1pOperation, [x], undefined)[0],
);

const expm1Operation: Operation = {
  name: 'expm1',
  infer: (inputs) => inputs,
  forward: () => undefined,
  /** Nothing is subtracted: tanh(x / 2) = (e^x - 1) / (e^x + 1). */
  definition: ([x]) => [mul(tanh(mul(x, 0.5)), add(exp(x), 1))],
  keepsRules: true,
  gradients: ([g], { inputs: [x] }) => mul(g, exp(x)),
};

/** e^x - 1, accurate near 0 too. */
export const expm1 = /* @__PURE__ */ ofFloat(
  'expm1',
  (x) => run(expm1Operation, [x], undefined)[0],
);

const atan2Operation: Operation = {
  name: 'atan2',
  infer(inputs) {
    requireFloat('atan2', inputs[0]);
    const [y, x] = inputs;
    return [
      { dtype: commonDtype('atan2', inputs), shape: broadcastShapes('atan2', y.shape, x.shape) },
    ];
  },
  forward: () => undefined,
  definition([y, x]) {
    const largest = maximum(abs(y), abs(x));
    const origin = equal(largest, 0);
    const scale = where(origin, 1, largest);
    const [b, a] = [y, x].map((v) => where(equal(abs(v), Infinity), sign(v), div(v, scale)));
    // An angle in the first quadrant with an error below 4e-4, then in the quadrant of [a, b].
    const [height, width] = [abs(b), where(origin, 1, abs(a))];
    const w = div(sub(height, width), add(height, width)); // tan(angle - pi / 4)
    const w2 = square(w);
    const curve = add(mul(add(mul(w2, 0.03715), -0.10905), w2), 0.2146);
    const angle = add(mul(w, add(mul(sub(1, w2), curve), Math.PI / 4)), Math.PI / 4);
    const half = where(isNegative(a), sub(Math.PI, angle), angle);
    const near = where(isNegative(b), neg(half), half);
    // The rest is the angle of [a, b] turned back, from the first two terms of atan.
    const [c, s] = [cos(near), sin(near)];
    const t = div(sub(mul(b, c), mul(a, s)), add(mul(a, c), mul(b, s)));
    const all = add(near, mul(t, sub(1, mul(square(t), 1 / 3))));
    return [where(equal(y, 0), near, all)]; // keeps the sign of a zero
  },
  keepsRules: true,
  gradients: [
    ([g], { inputs: [y, x] }) => div(mul(g, x), add(square(x), square(y))),
    ([g], { inputs: [y, x] }) => neg(div(mul(g, y), add(square(x), square(y)))),
  ],
};

/** Whether v is below 0, or -0. */
function isNegative(v: Tensor): Tensor {
  return less(div(1, v), 0);
}

/**
 * The angle of the point [x, y] in radians, from -pi to pi, with the signs of zeros and infinities
 * as in C and in `Math.atan2`. Both operands have one floating dtype and shapes that broadcast. The
 * gradient at [0, 0] is NaN.
 */
export const atan2 = /* @__PURE__ */ exactly(
  'atan2',
  (y: Operand, x: Operand) => run(atan2Operation, operands('atan2', y, x), undefined)[0],
);
