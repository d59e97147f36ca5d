/** Rows by index: gather, scatter-add, one-hot. */
import type { DType } from '../../backends/backend.js';
import { sizeOf } from '../../backends/layout.js';
import { MemgradError } from '../../errors.js';
import { checkOptions } from '../../options.js';
import { refuseExtra, requireFit, requireInt, requireTensors } from '../arguments.js';
import { arange, checkShape, optionNames, placement, type TensorOptions } from '../create.js';
import { type Operation, run } from '../run.js';
import { sameShape, type Tensor } from '../tensor.js';
import { cast, equal } from './comparison.js';
import { reshape } from './shape.js';

const gatherOperation: Operation = {
  name: 'gather',
  infer([table, indices]) {
    requireInt('gather', 'the indices', indices);
    requireFit(table.rank > 0, 'gather', 'a table of rank 1 or more', table.shape);
    requireRows('gather', indices, table.shape[0]);
    return [{ shape: [...indices.shape, ...table.shape.slice(1)], dtype: table.dtype }];
  },
  forward: (backend, [table, indices]) => [
    backend.gather(table.buffer, indices.buffer, sizeOf(table.shape.slice(1))),
  ],
  gradients: [([g], { inputs: [table, indices] }) => scatterAdd(g, indices, table.shape[0]), null],
};

/**
 * Rows of `table` [rows, ...rest] at `indices` (int32, any shape): [...indices, ...rest]. Throws
 * `MemgradError` for an index outside the table on the backends that can check it (cpu, wasm).
 */
export function gather(table: Tensor, indices: Tensor): Tensor;
export function gather(table: Tensor, indices: Tensor, ...extra: unknown[]): Tensor {
  requireTensors('gather', table, indices);
  refuseExtra('gather', extra);
  return run(gatherOperation, [table, indices], undefined)[0];
}

const scatterAddOperation: Operation<number> = {
  name: 'scatterAdd',
  infer([values, indices], rows) {
    requireInt('scatterAdd', 'the indices', indices);
    checkShape('scatterAdd', [rows]);
    requireRows('scatterAdd', indices, rows);
    requireFit(
      sameShape(values.shape.slice(0, indices.rank), indices.shape),
      'scatterAdd',
      'values whose shape starts with that of the indices',
      ...[values.shape, indices.shape],
    );
    return [{ shape: [rows, ...values.shape.slice(indices.rank)], dtype: values.dtype }];
  },
  forward: (backend, [values, indices], rows, [{ shape }]) => [
    backend.scatterAdd(values.buffer, indices.buffer, rows, sizeOf(shape.slice(1))),
  ],
  gradients: [([g], { inputs: [, indices] }) => gather(g, indices), null],
};

/**
 * Throws for an empty table, where no index can be valid. A GPU can't check indices, but knows
 * their number.
 */
function requireRows(name: string, indices: Tensor, rows: number): void {
  if (rows > 0 || indices.size === 0) return;
  throw new MemgradError(`${name}: the table has no rows, expected at least one for an index.`);
}

/**
 * The adjoint of `gather`: zeros [rows, ...rest], with each of the values [...indices, ...rest]
 * added to the row of its index.
 */
export function scatterAdd(values: Tensor, indices: Tensor, rows: number): Tensor {
  requireTensors('scatterAdd', values, indices);
  return run(scatterAddOperation, [values, indices], rows)[0];
}

/**
 * [...indices, depth] with 1 at each index and 0 elsewhere; all zeros for an index outside [0,
 * depth).
 */
export function oneHot(indices: Tensor, depth: number, dtype: DType = 'float32'): Tensor {
  requireInt('oneHot', 'the indices', indices);
  checkShape('oneHot', [depth]);
  const positions = arange(depth, { backend: indices.backend });
  return cast(equal(reshape(indices, [...indices.shape, 1]), positions), dtype);
}

/** Returns a matrix [rows, columns], by default square, with 1 on its diagonal and 0 elsewhere. */
export function eye(rows: number, columns = rows, options?: TensorOptions): Tensor {
  checkShape('eye', [rows, columns]);
  checkOptions('eye', options, optionNames);
  const { dtype, backend } = placement('eye', options, 'float32');
  return oneHot(arange(rows, { backend }), columns, dtype);
}
