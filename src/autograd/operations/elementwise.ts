/** Elementwise operations with one or two operands, with broadcasting. */
import type { ArithmeticKernel, UnaryKernel } from '../../backends/backend.js';
import {
  broadcastShapes,
  broadcastView,
  commonDtype,
  exactly,
  ofFloat,
  refuseExtra,
  requireFloat,
  requireTensors,
} from '../arguments.js';
import { type GradientRule, type Operation, run } from '../run.js';
import type { Tensor } from '../tensor.js';
import { cast, equal, greater, where } from './comparison.js';
import { type Operand, operands } from './operand.js';

function unary(name: UnaryKernel, gradient: GradientRule<undefined> | { none: string }) {
  const operation: Operation = {
    name,
    infer([x]) {
      requireFloat(name, x);
      return [x];
    },
    forward: (backend, [x]) => [backend.unary(name, x.buffer)],
    gradients: gradient,
  };
  return exactly(name, (x: Tensor) => run(operation, [x], undefined)[0]);
}

function binary(
  name: ArithmeticKernel,
  gradients: [GradientRule<undefined>, GradientRule<undefined>],
) {
  const operation: Operation = {
    name,
    infer: (inputs) => [
      {
        dtype: commonDtype(name, inputs),
        shape: broadcastShapes(name, inputs[0].shape, inputs[1].shape),
      },
    ],
    forward: (backend, [a, b], _, [{ shape }]) => [
      backend.binary(name, broadcastView(a, shape), broadcastView(b, shape)),
    ],
    gradients,
  };
  return exactly(
    name,
    (a: Operand, b: Operand) => run(operation, operands(name, a, b), undefined)[0],
  );
}

// Unary. Each accepts a float tensor of any shape and returns one of the same shape and dtype. For
// int32 they throw an error that suggests `cast`.

/** -x. */
export const neg = unary('neg', ([g]) => neg(g));

/** |x|; the gradient at 0 is 0. */
export const abs = unary('abs', ([g], { inputs: [x] }) => mul(g, sign(x)));

/** -1, 0 or 1. Piecewise constant, so no gradient flows back. */
export const sign = unary('sign', { none: 'piecewise constant' });

/** e^x. */
export const exp = unary('exp', ([g], { outputs: [y] }) => mul(g, y));

/** Natural logarithm. */
export const log = unary('log', ([g], { inputs: [x] }) => div(g, x));

/** Square root; its gradient at 0 is infinite. */
export const sqrt = unary('sqrt', ([g], { outputs: [y] }) => div(mul(g, 0.5), y));

/** Sine of x in radians. */
export const sin = unary('sin', ([g], { inputs: [x] }) => mul(g, cos(x)));

/** Cosine of x in radians. */
export const cos = unary('cos', ([g], { inputs: [x] }) => neg(mul(g, sin(x))));

/** Hyperbolic tangent. */
export const tanh = unary('tanh', ([g], { outputs: [y] }) => mul(g, sub(1, mul(y, y))));

/** The logistic function 1 / (1 + e^-x). */
export const sigmoid = unary('sigmoid', ([g], { outputs: [y] }) => mul(g, mul(y, sub(1, y))));

/** max(x, 0); the gradient at 0 is 0. */
export const relu = unary('relu', ([g], { outputs: [y] }) => reluGradient(y, g));

declare module '../../backends/backend.js' {
  interface Kernels {
    /** g where y is greater than 0, else 0. */
    reluGradient: Kernel<[y: DeviceBuffer, g: DeviceBuffer], [size: number]>;
  }
}

const reluGradientOperation: Operation = {
  name: 'reluGradient',
  infer: ([, g]) => [g],
  forward: ({ kernels }, [y, g], _, results) =>
    kernels?.reluGradient?.([y.buffer, g.buffer], [g.size], results),
  definition: ([y, g]) => [where(greater(y, 0), g, 0)],
  gradients: [null, ([gradient], { inputs: [y] }) => reluGradient(y, gradient)],
};

/** `g` where `y`, the result of relu, is greater than 0, else 0. */
export function reluGradient(y: Tensor, g: Tensor): Tensor {
  return run(reluGradientOperation, [y, g], undefined)[0];
}

/** The Gauss error function. */
export const erf = unary('erf', ([g], { inputs: [x] }) =>
  mul(g, mul(exp(neg(mul(x, x))), 2 / Math.sqrt(Math.PI))),
);

/** x * x. */
export function square(x: Tensor): Tensor;
export function square(x: Tensor, ...extra: unknown[]): Tensor {
  refuseExtra('square', extra);
  requireTensors('square', x);
  return mul(x, x);
}

/** Gaussian error linear unit x Phi(x), exact (Hendrycks and Gimpel 2016, arXiv 1606.08415). */
export const gelu = /* @__PURE__ */ ofFloat('gelu', (x) =>
  mul(mul(x, 0.5), add(erf(mul(x, Math.SQRT1_2)), 1)),
);

// Binary. Both operands have one dtype and shapes that broadcast (NumPy's rules); otherwise they
// throw an error that names both. A number takes the dtype of the other operand.

/** a + b. */
export const add = binary('add', [([g]) => g, ([g]) => g]);

/** a - b. */
export const sub = binary('sub', [([g]) => g, ([g]) => neg(g)]);

/** a * b. */
export const mul = binary('mul', [
  ([g], { inputs: [, b] }) => mul(g, b),
  ([g], { inputs: [a] }) => mul(g, a),
]);

/** a / b. */
export const div = binary('div', [
  ([g], { inputs: [, b] }) => div(g, b),
  ([g], { inputs: [, b], outputs: [y] }) => neg(div(mul(g, y), b)),
]);

/**
 * a ^ b. The gradient of the exponent is defined as 0 where a <= 0, and the gradient of the base as
 * 0 where b = 0.
 */
export const pow = binary('pow', [
  ([g], { inputs: [a, b] }) => mul(g, where(equal(b, 0), 0, mul(b, pow(a, sub(b, 1))))),
  ([g], { inputs: [a], outputs: [y] }) => {
    const positive = greater(a, 0);
    return mul(g, where(positive, mul(y, log(where(positive, a, 1))), 0));
  },
]);

/** The larger operand; where both are equal, each gets half the gradient. */
export const maximum = binary('maximum', [
  ([g], { inputs: [a, b] }) => mul(g, share(a, b)),
  ([g], { inputs: [a, b] }) => mul(g, share(b, a)),
]);

/** The smaller operand; where both are equal, each gets half the gradient. */
export const minimum = binary('minimum', [
  ([g], { inputs: [a, b] }) => mul(g, share(b, a)),
  ([g], { inputs: [a, b] }) => mul(g, share(a, b)),
]);

/** 1 where `winner` is larger, 0.5 where both are equal, else 0. */
function share(winner: Tensor, loser: Tensor): Tensor {
  return where(equal(winner, loser), 0.5, cast(greater(winner, loser), winner.dtype));
}
