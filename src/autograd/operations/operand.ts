/** Operands of binary operations: tensors, or a tensor and a number. */
import type { Backend } from '../../backends/backend.js';
import { defaultBackend, filled } from '../create.js';
import { requireWhole } from '../nested.js';
import { Tensor } from '../tensor.js';

/** An operand of a binary operation; a number takes the dtype and backend of the other operand. */
export type Operand = Tensor | number;

/**
 * Returns both operands as tensors. A number becomes a scalar with the dtype of the other operand;
 * two numbers become float32 scalars. Throws `MemgradError` for a fraction when the other operand is int32.
 */
export function operands(
  name: string,
  a: Operand,
  b: Operand,
  backend?: Backend,
): [Tensor, Tensor] {
  const like =
    a instanceof Tensor
      ? a
      : b instanceof Tensor
        ? b
        : { dtype: 'float32' as const, backend: backend ?? defaultBackend() };
  const lift = (x: Operand) => {
    if (typeof x !== 'number') return x;
    if (like.dtype === 'int32')
      requireWhole(name, [x], "convert the tensor with cast(x, 'float32')");
    return filled(name, [], x, like);
  };
  return [lift(a), lift(b)];
}
