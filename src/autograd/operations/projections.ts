/** Several products of one input, such as queries, keys and values. */
import { sizeOf } from '../../backends/layout.js';
import { commonDtype, requireFit } from '../arguments.js';
import { type Operation, run, type Value } from '../run.js';
import type { Tensor } from '../tensor.js';
import { add } from './elementwise.js';
import { linear, matmul } from './matmul.js';
import { concat, reshape, slice } from './shape.js';

/** W has `parts` equal parts of `outputs` rows of `width`; x has `rows`. */
type ProjectionNumbers = [parts: number, rows: number, outputs: number, width: number];

declare module '../../backends/backend.js' {
  interface Kernels {
    /** x W_i^T for each part W_i of W: `parts` results of [rows, outputs]. */
    projections: Kernel<[x: DeviceBuffer, weight: DeviceBuffer], ProjectionNumbers>;
    /** The gradients with respect to x and W; g_i is the gradient of result i. */
    projectionsGradient: Kernel<
      [x: DeviceBuffer, weight: DeviceBuffer, ...g: DeviceBuffer[]],
      ProjectionNumbers
    >;
  }
}

const projectionsOperation: Operation<number> = {
  name: 'projections',
  infer([x, weight], parts) {
    const dtype = commonDtype('projections', [x, weight]);
    const [rows, width] = weight.shape;
    requireFit(
      x.rank > 0 && width === x.shape[x.rank - 1] && rows % parts === 0,
      'projections',
      `x [..., in] and weight [${parts} out, in]`,
      ...[x.shape, weight.shape],
    );
    const shape = [...x.shape.slice(0, -1), rows / parts];
    return Array.from({ length: parts }, () => ({ shape, dtype }));
  },
  forward({ kernels }, [x, weight], parts, results) {
    if (x.size * weight.size === 0) return undefined; // an empty sum
    return kernels?.projections?.([x.buffer, weight.buffer], numbersOf(x, weight, parts), results);
  },
  definition: ([x, weight], parts) => partsOf(weight, parts).map((part) => linear(x, part)),
  gradients: {
    together: (gradients, { inputs, attributes }) =>
      run(projectionsGradientOperation, [...inputs, ...gradients], attributes),
  },
};

const projectionsGradientOperation: Operation<number> = {
  name: 'projectionsGradient',
  infer: ([x, weight]) => [x, weight],
  forward({ kernels }, [x, weight, ...gradients], parts, results) {
    if (x.size * weight.size === 0) return undefined;
    return kernels?.projectionsGradient?.(
      [x.buffer, weight.buffer, ...gradients.map(({ buffer }) => buffer)],
      numbersOf(x, weight, parts),
      results,
    );
  },
  definition([x, weight, ...gradients], parts) {
    const weights = partsOf(weight, parts);
    const rows = byRows(x);
    // From the last part to the first, the order in which separate products would add theirs.
    const products = gradients.map((g, i) => matmul(byRows(g), weights[i]));
    return [
      reshape(
        products.reduceRight((sum, product) => add(sum, product)),
        x.shape,
      ),
      concat(
        gradients.map((g) => matmul(byRows(g), rows, { transposeA: true })),
        0,
      ),
    ];
  },
  gradients: 'definition',
};

/**
 * The products of `x` [..., in] with each of `parts` equal parts of the rows of `weight` [parts
 * out, in], each [..., out], as `linear` computes them. Throws `MemgradError` when they don't fit.
 */
export function projections(x: Tensor, weight: Tensor, parts: number): readonly Tensor[] {
  return run(projectionsOperation, [x, weight], parts);
}

function numbersOf(x: Value, weight: Value, parts: number): ProjectionNumbers {
  const [outputs, width] = weight.shape;
  return [parts, sizeOf(x.shape.slice(0, -1)), outputs / parts, width];
}

function partsOf(weight: Tensor, parts: number): Tensor[] {
  const rows = weight.shape[0] / parts;
  return Array.from({ length: parts }, (_, i) => slice(weight, 0, i * rows, (i + 1) * rows));
}

function byRows(x: Tensor): Tensor {
  return reshape(x, [-1, x.shape[x.rank - 1]]);
}
