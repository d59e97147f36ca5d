/** Cases of activation functions. */
import { elu, leakyRelu, silu, softplus, type Tensor } from '../../autograd/index.js';
import {
  approximated,
  floats,
  given,
  type OperationCases,
  type Pattern,
  rounded,
} from '../case.js';
import { unary } from './elementwise.js';

const far = [0, -0, 1e-30, 0.01, 5, -5, 20, -20, 80, -80, 200, -200, Infinity, NaN];

/** The gradients at 0 and far from it. */
function wide(operation: (x: Tensor) => Tensor): Pattern {
  return {
    pattern: 'gradients at 0 and far from it',
    inputs: [given([0, 3, -3, 30, -30, 300, -300, NaN])],
    call: ([x]) => operation(x),
    only: 'gradient',
  };
}

const parameter = (what: string, operation: (x: Tensor) => Tensor): Pattern => ({
  pattern: what,
  inputs: [floats([2, 3], 295)],
  call: ([x]) => operation(x),
});

export const activationCases = {
  softplus: unary(softplus, {
    tolerance: { relative: 4e-6, absolute: 1e-37 },
    extreme: [...far, -Infinity],
    more: [wide(softplus)],
  }),
  silu: unary(silu, { tolerance: approximated, extreme: far, more: [wide(silu)] }),
  leakyRelu: unary(leakyRelu, {
    tolerance: rounded,
    extreme: [...far, -Infinity],
    more: [wide(leakyRelu), parameter('slope 0.25', (x) => leakyRelu(x, 0.25))],
  }),
  elu: unary(elu, {
    tolerance: { relative: 4e-6, absolute: 1e-37 },
    extreme: [...far, -Infinity],
    more: [wide(elu), parameter('alpha 0.5', (x) => elu(x, 0.5))],
  }),
} satisfies Record<string, OperationCases>;
