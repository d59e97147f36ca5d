/** Activation functions: softplus, silu, leakyRelu, elu. Each accepts a float tensor of any shape. */
import { check, finite } from '../../options.js';
import { ofFloat, requireFloat } from '../arguments.js';
import { type Operation, run } from '../run.js';
import type { Tensor } from '../tensor.js';
import { greater, where } from './comparison.js';
import { abs, add, exp, mul, neg, relu, sigmoid } from './elementwise.js';
import { expm1, log1p } from './functions.js';

const softplusOperation: Operation = {
  name: 'softplus',
  infer: (inputs) => inputs,
  forward: () => undefined,
  definition: ([x]) => [add(relu(x), log1p(exp(neg(abs(x)))))],
  keepsRules: true,
  gradients: ([g], { inputs: [x] }) => mul(g, sigmoid(x)),
};

/** log(1 + e^x), accurate for arguments of every size (Dugas et al. 2001). */
export const softplus = /* @__PURE__ */ ofFloat(
  'softplus',
  (x) => run(softplusOperation, [x], undefined)[0],
);

/** x sigmoid(x), also called swish (Elfwing, Uchibe, Doya 2017, arXiv 1702.03118). */
export const silu = /* @__PURE__ */ ofFloat('silu', (x) => mul(x, sigmoid(x)));

/** x where it is above 0, else `slope` x, also for the gradient at 0 (Maas, Hannun, Ng 2013). */
export function leakyRelu(x: Tensor, slope = 0.01): Tensor {
  requireFloat('leakyRelu', x);
  check('leakyRelu: slope', slope, finite);
  return where(greater(x, 0), x, mul(x, slope));
}

/** x where it is above 0, else `alpha` (e^x - 1) (Clevert et al. 2015, arXiv 1511.07289). */
export function elu(x: Tensor, alpha = 1): Tensor {
  requireFloat('elu', x);
  check('elu: alpha', alpha, finite);
  const positive = greater(x, 0);
  return where(positive, x, mul(expm1(where(positive, 0, x)), alpha)); // e^x may be infinite
}
