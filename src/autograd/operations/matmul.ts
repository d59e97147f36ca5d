/** Matrix products. */

import { sizeOf, stridesOf } from '../../backends/layout.js';
import { MemgradError } from '../../errors.js';
import { checkOptions, flag, oneOf } from '../../options.js';
import {
  broadcastShapes,
  commonDtype,
  requireFit,
  requireFloat,
  requireTensors,
} from '../arguments.js';
import { type Operation, run } from '../run.js';
import { type Shape, sameShape, showShape, type Tensor } from '../tensor.js';
import { add, relu, reluGradient } from './elementwise.js';
import { sum } from './reduction.js';
import { reshape } from './shape.js';

/** Which operands of a product to transpose (their last two axes). */
export interface MatmulOptions {
  /** Expects `a` as [..., k, m] instead of [..., m, k]. Default false. */
  transposeA?: boolean;
  /** Expects `b` as [..., n, k] instead of [..., k, n]. Default false. */
  transposeB?: boolean;
}

const matmulOptions = { transposeA: flag, transposeB: flag };

/**
 * Which zeros a product skips without reading their factor: those in `a` (`left`), or those in the
 * gradient of the result (`gradient`).
 */
type Skip = 'left' | 'gradient' | undefined;

const matmulOperation: Operation<Required<MatmulOptions> & { skip: Skip }> = {
  name: 'matmul',
  infer([a, b], { transposeA, transposeB }) {
    const dtype = commonDtype('matmul', [a, b]);
    requireFloat('matmul', a);
    const [m] = rowsAndColumns(a, transposeA);
    const [, n] = rowsAndColumns(b, transposeB);
    return [{ shape: [...batchOf(a, b), m, n], dtype }];
  },
  forward(backend, [a, b], { transposeA, transposeB, skip }, [{ shape }]) {
    const [m, k] = rowsAndColumns(a, transposeA);
    const batch = shape.slice(0, -2);
    const spec = {
      m,
      n: shape[shape.length - 1],
      k,
      transposeA,
      transposeB,
      skipZeros: skip === 'left',
      batch,
      batchStridesA: batchStrides(a.shape, batch),
      batchStridesB: batchStrides(b.shape, batch),
    };
    return [backend.matmul(a.buffer, b.buffer, spec)];
  },
  gradients: [
    ([g], { inputs: [, b], attributes: { transposeA, transposeB, skip } }) =>
      transposeA
        ? matmul(b, g, { transposeA: transposeB, transposeB: true })
        : sparseMatmul(g, b, skip === 'gradient' ? 'left' : skip && 'gradient', {
            transposeB: !transposeB,
          }),
    ([g], { inputs: [a], attributes: { transposeA, transposeB, skip } }) =>
      transposeB
        ? sparseMatmul(g, a, skip && 'left', { transposeA: true, transposeB: transposeA })
        : sparseMatmul(a, g, skip && 'left', { transposeA: !transposeA }),
  ],
};

/**
 * Matrix product over the last two axes, [..., m, k] times [..., k, n] to [..., m, n]. The axes
 * before them are a batch and broadcast. Throws `MemgradError` for rank < 2, int32, and inner
 * lengths that differ.
 */
export function matmul(a: Tensor, b: Tensor, options?: MatmulOptions): Tensor {
  checkOptions('matmul', options, matmulOptions);
  return sparseMatmul(a, b, undefined, options);
}

/** `matmul` where 0 times NaN or infinity is 0, for the zeros that `skip` names. */
export function sparseMatmul(
  a: Tensor,
  b: Tensor,
  skip: Skip,
  options: MatmulOptions = {},
): Tensor {
  const { transposeA = false, transposeB = false } = options;
  requireTensors('matmul', a, b);
  for (const { rank, shape } of [a, b]) {
    if (rank < 2) {
      throw new MemgradError(
        `matmul: expected tensors of rank 2 or more, got shape ${showShape(shape)}; reshape vectors to [n, 1] or [1, n].`,
      );
    }
  }
  const [, k] = rowsAndColumns(a, transposeA);
  const [inner] = rowsAndColumns(b, transposeB);
  if (k !== inner) {
    const show = (x: Tensor, flipped: boolean) =>
      showShape(x.shape) + (flipped ? ' transposed' : '');
    throw new MemgradError(
      `matmul: ${show(a, transposeA)} times ${show(b, transposeB)} has inner lengths ${k} and ${inner}, expected them equal.`,
    );
  }
  if (b.rank === 2 && a.rank > 2 && !transposeA) {
    // One large product instead of a batch of small ones, in the forward pass and in both
    // gradients.
    const rows = reshape(a, [sizeOf(a.shape.slice(0, -1)), a.shape[a.rank - 1]]);
    const product = sparseMatmul(rows, b, skip, options);
    return reshape(product, [...a.shape.slice(0, -1), product.shape[1]]);
  }
  return run(matmulOperation, [a, b], { transposeA, transposeB, skip })[0];
}

declare module '../../backends/backend.js' {
  interface Kernels {
    /**
     * x W^T + bias for rows of `width`, with W [outputs, width] and bias [outputs]; max(0, ...) of
     * it if `relu` is 1.
     */
    linear: Kernel<
      [x: DeviceBuffer, weight: DeviceBuffer, bias: DeviceBuffer],
      [rows: number, outputs: number, width: number, relu: number]
    >;
    /** The gradients with respect to W and the bias; g [rows, outputs] is the gradient of x W^T + bias. */
    linearGradient: Kernel<
      [x: DeviceBuffer, g: DeviceBuffer],
      [rows: number, outputs: number, width: number]
    >;
  }
}

const linearOperation: Operation<LinearOptions> = {
  name: 'linear',
  infer([x, weight, bias]) {
    const dtype = commonDtype('linear', [x, weight, bias]);
    requireFloat('linear', x);
    return [{ shape: [...x.shape.slice(0, -1), weight.shape[0]], dtype }];
  },
  forward({ kernels }, [x, weight, bias], { activation }, results) {
    const [outputs, width] = weight.shape;
    if (width === 0) return undefined; // an empty sum
    const rows = sizeOf(x.shape.slice(0, -1));
    return kernels?.linear?.(
      [x.buffer, weight.buffer, bias.buffer],
      [rows, outputs, width, Number(activation === 'relu')],
      results,
    );
  },
  definition([x, weight, bias], { activation }) {
    const y = add(timesTransposed(x, weight), bias);
    return [activation ? relu(y) : y];
  },
  gradients: {
    together([gradient], { inputs: [x, weight], outputs: [y], attributes }, wanted) {
      const g = attributes.activation ? reluGradient(y, gradient) : gradient;
      const [rows, byRow] = [x, g].map(byRows);
      return [
        wanted[0] ? reshape(matmul(byRow, weight), x.shape) : undefined,
        ...(wanted[1] && wanted[2]
          ? run(linearGradientOperation, [rows, byRow], undefined)
          : [
              wanted[1] ? matmul(byRow, rows, { transposeA: true }) : undefined,
              wanted[2] ? sum(byRow, 0) : undefined,
            ]),
      ];
    },
  },
};

const linearGradientOperation: Operation = {
  name: 'linearGradient',
  infer: ([
    {
      shape: [, width],
      dtype,
    },
    {
      shape: [, outputs],
    },
  ]) => [
    { shape: [outputs, width], dtype },
    { shape: [outputs], dtype },
  ],
  forward({ kernels }, [x, g], _, results) {
    if (x.size * g.size === 0) return undefined; // an empty sum
    const numbers: [number, number, number] = [g.shape[0], g.shape[1], x.shape[1]];
    return kernels?.linearGradient?.([x.buffer, g.buffer], numbers, results);
  },
  definition: ([x, g]) => [matmul(g, x, { transposeA: true }), sum(g, 0)],
  gradients: 'definition',
};

/** Options of `linear`. */
export interface LinearOptions {
  /** Activation function of the result. Default: none. */
  activation?: 'relu';
}

const linearOptions = { activation: oneOf(['relu']) };

/**
 * x W^T + b for `x` [..., in], `weight` [out, in] and `bias` [out], as PyTorch's `linear`; returns
 * [..., out]. Throws `MemgradError` when they don't fit.
 */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor, options?: LinearOptions): Tensor {
  checkOptions('linear', options, linearOptions);
  const activation = options?.activation;
  const inputs = bias === undefined ? [x, weight] : [x, weight, bias];
  requireTensors('linear', ...inputs);
  requireFit(
    weight.rank === 2 &&
      x.shape[x.rank - 1] === weight.shape[1] &&
      (!bias || sameShape(bias.shape, [weight.shape[0]])),
    'linear',
    `x [..., in] and weight [out, in]${bias ? ' and bias [out]' : ''}`,
    ...inputs.map(({ shape }) => shape),
  );
  if (!bias) {
    const product = timesTransposed(x, weight);
    return activation ? relu(product) : product;
  }
  return run(linearOperation, inputs, { activation })[0];
}

/** x W^T. */
function timesTransposed(x: Tensor, weight: Tensor): Tensor {
  if (x.rank > 1) return matmul(x, weight, { transposeB: true });
  return reshape(matmul(byRows(x), weight, { transposeB: true }), [weight.shape[0]]);
}

/** [..., width] as [rows, width]. */
function byRows(x: Tensor): Tensor {
  return reshape(x, [sizeOf(x.shape.slice(0, -1)), x.shape[x.rank - 1]]);
}

function rowsAndColumns({ shape }: { readonly shape: Shape }, flipped: boolean): number[] {
  const lengths = shape.slice(-2);
  return flipped ? lengths.reverse() : lengths;
}

function batchOf(a: Tensor, b: Tensor): Shape {
  return broadcastShapes('matmul', a.shape.slice(0, -2), b.shape.slice(0, -2));
}

function batchStrides(shape: Shape, batch: Shape): number[] {
  const own = stridesOf(shape);
  const missing = batch.length - (shape.length - 2);
  return batch.map((_, axis) =>
    axis < missing || shape[axis - missing] === 1 ? 0 : own[axis - missing],
  );
}
