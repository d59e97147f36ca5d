/** Cases of losses of real values and of two classes. */
import {
  binaryCrossEntropy,
  type HuberOptions,
  huber,
  mse,
  type Shape,
  type Tensor,
} from '../../autograd/index.js';
import {
  accumulated,
  floats,
  given,
  indices,
  type OperationCases,
  type Pattern,
  show,
} from '../case.js';

type Loss = (a: Tensor, b: Tensor, options?: HuberOptions) => Tensor;

function loss(operation: Loss, more: readonly Pattern[]): OperationCases {
  const shapes: Shape[] = [[], [1], [4], [2, 3], [2, 1, 3], [0], [2, 0]];
  const reduced = (reduction?: HuberOptions['reduction']) =>
    shapes.map(
      (shape): Pattern => ({
        pattern: `${show(shape)}, ${reduction ?? 'by default'}`,
        inputs: [floats(shape, 760), floats(shape, 761, 'positive')],
        call: ([a, b]) => operation(a, b, { reduction }),
      }),
    );
  return {
    differentiable: true,
    tolerance: accumulated,
    patterns: [...reduced(), ...reduced('mean'), ...reduced('sum'), ...reduced('none'), ...more],
  };
}

const far: Pattern['inputs'] = [given([NaN, 1, Infinity, 1e20]), given([1, NaN, 1, -1e20])];

export const lossCases = {
  mse: loss(mse, [
    {
      pattern: 'NaN, an infinity and an overflow',
      inputs: far,
      call: ([a, b]) => mse(a, b, { reduction: 'none' }),
      only: 'forward',
    },
  ]),
  huber: loss(huber, [
    {
      pattern: 'NaN, an infinity and a large error',
      inputs: far,
      call: ([a, b]) => huber(a, b, { reduction: 'none' }),
      only: 'gradient',
    },
    {
      pattern: 'delta 0.25',
      inputs: [floats([3, 4], 762), floats([3, 4], 763)],
      call: ([a, b]) => huber(a, b, { delta: 0.25, reduction: 'none' }),
    },
    {
      pattern: 'at delta',
      inputs: [given([1, -1, 0]), given([0, 0, 0])],
      call: ([a, b]) => huber(a, b, { reduction: 'none' }),
      only: 'gradient',
    },
  ]),
  binaryCrossEntropy: loss(binaryCrossEntropy, [
    {
      pattern: 'int32 targets',
      inputs: [floats([2, 3], 764), indices([2, 3], 765, 2)],
      call: ([logits, target]) => binaryCrossEntropy(logits, target),
    },
    {
      pattern: 'large logits',
      inputs: [given([80, -80, 80, -80, 1e4, NaN]), given([1, 0, 0, 1, 0.5, 1])],
      call: ([logits, target]) => binaryCrossEntropy(logits, target, { reduction: 'none' }),
      only: 'gradient',
    },
  ]),
} satisfies Record<string, OperationCases>;
