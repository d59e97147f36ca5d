/** Comparisons, selection and conversion. */
import type { ComparisonKernel, DType } from '../../backends/backend.js';
import { describe, MemgradError } from '../../errors.js';
import {
  broadcastShapes,
  broadcastView,
  commonDtype,
  exactly,
  requireTensors,
  requireTruth,
} from '../arguments.js';
import { alias, type Operation, run } from '../run.js';
import type { Tensor } from '../tensor.js';
import { type Operand, operands } from './operand.js';

function comparison(name: ComparisonKernel) {
  const operation: Operation = {
    name,
    infer(inputs) {
      commonDtype(name, inputs);
      return [{ shape: broadcastShapes(name, inputs[0].shape, inputs[1].shape), dtype: 'int32' }];
    },
    forward: (backend, [a, b], _, [{ shape }]) => [
      backend.binary(name, broadcastView(a, shape), broadcastView(b, shape)),
    ],
    gradients: { none: 'truth values are piecewise constant' },
  };
  return exactly(
    name,
    (a: Operand, b: Operand) => run(operation, operands(name, a, b), undefined)[0],
  );
}

// Comparisons. Both operands have one dtype and shapes that broadcast. The result is int32, 1 for
// true. A comparison with NaN is false, except for `notEqual`. No gradient flows back.

/** a = b. */
export const equal = comparison('equal');
/** a is not b. */
export const notEqual = comparison('notEqual');
/** a < b. */
export const less = comparison('less');
/** a <= b. */
export const lessEqual = comparison('lessEqual');
/** a > b. */
export const greater = comparison('greater');
/** a >= b. */
export const greaterEqual = comparison('greaterEqual');

const whereOperation: Operation = {
  name: 'where',
  infer([condition, a, b]) {
    requireTruth('where', 'the condition', condition);
    return [
      {
        dtype: commonDtype('where', [a, b]),
        shape: broadcastShapes('where', condition.shape, a.shape, b.shape),
      },
    ];
  },
  forward: (backend, inputs, _, [{ shape }]) => {
    const [condition, a, b] = inputs.map((input) => broadcastView(input, shape));
    return [backend.where(condition, a, b)];
  },
  gradients: [
    null,
    ([g], { inputs: [condition] }) => where(condition, g, 0),
    ([g], { inputs: [condition] }) => where(condition, 0, g),
  ],
};

/**
 * `a` where `condition` (int32) is not 0, else `b`; all three broadcast. No gradient flows to the
 * side that was not chosen, not even a NaN.
 */
export function where(condition: Tensor, a: Operand, b: Operand): Tensor {
  requireTensors('where', condition);
  const inputs = [condition, ...operands('where', a, b, condition.backend)];
  return run(whereOperation, inputs, undefined)[0];
}

const castOperation: Operation<DType> = {
  name: 'cast',
  infer: ([{ shape }], dtype) => [{ shape, dtype }],
  forward: (backend, [x], dtype) => [backend.cast(x.buffer, dtype)],
  gradients: ([g], { inputs: [x] }) => cast(g, x.dtype),
};

/**
 * Converts `x` to `dtype`. Float to int32 rounds towards zero, and no gradient flows back through
 * it. Throws `MemgradError` for an unknown dtype.
 */
export function cast(x: Tensor, dtype: DType): Tensor {
  requireTensors('cast', x);
  if (!['float32', 'float64', 'int32'].includes(dtype)) {
    throw new MemgradError(
      `cast: ${describe(dtype)} is not a dtype; choose float32, float64 or int32.`,
    );
  }
  return x.dtype === dtype ? alias(x) : run(castOperation, [x], dtype)[0];
}
