/** Dropout. */
import { check, checkOptions, positive } from '../../options.js';
import { commonDtype, requireFit, requireFloat, requireTensors } from '../arguments.js';
import { isKey, type Key, uniform } from '../random.js';
import { alias, type Operation, run } from '../run.js';
import { sameShape, type Tensor } from '../tensor.js';
import { greaterEqual, where } from './comparison.js';
import { add, mul } from './elementwise.js';

/** Options of `dropout`. */
export interface DropoutOptions {
  /** Added to the result: the residual connection around a sub-layer. Must have the shape of x. */
  residual?: Tensor;
}

/**
 * Zeroes each value with probability `rate` and scales the others by 1 / (1 - rate) (Srivastava et
 * al. 2014). Equal keys give equal masks, so a replayed forward pass drops the same values. Throws
 * `MemgradError` for a rate outside [0, 1), a `key` that isn't a `Key`, and a residual of another
 * shape.
 */
export function dropout(x: Tensor, rate: number, key: Key, options?: DropoutOptions): Tensor {
  requireFloat('dropout', x);
  check('dropout: rate', rate, rateKind);
  check('dropout: key', key, isKey);
  checkOptions('dropout', options, { residual: 1 });
  const residual = options?.residual;
  if (residual) {
    requireTensors('dropout', residual);
    requireFit(
      sameShape(residual.shape, x.shape),
      'dropout',
      'a residual of the shape of x',
      ...[x.shape, residual.shape],
    );
  }
  if (rate === 0) return residual ? add(residual, x) : alias(x);
  return run(dropoutOperation, residual ? [x, residual] : [x], { rate, key })[0];
}

/** The accepted rates. */
export const rateKind = positive(1);

declare module '../../backends/backend.js' {
  interface Kernels {
    /**
     * x / (1 - rate) where `uniform({ hi, lo })` is at least `rate`, else 0; plus the residual if
     * there is one.
     */
    dropout: Kernel<
      [x: DeviceBuffer, residual: DeviceBuffer | undefined],
      [rate: number, hi: number, lo: number, size: number]
    >;
  }
}

const dropoutOperation: Operation<{ rate: number; key: Key }> = {
  name: 'dropout',
  infer: (inputs) => [{ shape: inputs[0].shape, dtype: commonDtype('dropout', inputs) }],
  forward: ({ kernels }, [x, residual], { rate, key: { hi, lo } }, results) =>
    kernels?.dropout?.([x.buffer, residual?.buffer], [rate, hi, lo, x.size], results),
  definition([x, residual], { rate, key }) {
    const kept = greaterEqual(uniform(key, x.shape, { backend: x.backend }), rate);
    const dropped = where(kept, mul(x, 1 / (1 - rate)), 0);
    return [residual ? add(residual, dropped) : dropped];
  },
  gradients: [([g], { attributes: { rate, key } }) => dropout(g, rate, key), ([g]) => g],
};
