/** What operations of two arguments take: tensors, or numbers beside them. */
import type { Backend } from '../../backends/backend.js';
import { defaultBackend, filled } from '../create.js';
import { requireWhole } from '../nested.js';
import { Tensor } from '../tensor.js';

/** An argument of a binary operation; a number takes dtype and backend of the other side. */
export type Operand = Tensor | number;

/** Both operands as tensors; a number becomes a scalar like the other one, two numbers float32 scalars. Throws for a fraction beside int32. */
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
