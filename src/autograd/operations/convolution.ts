/** Convolution and pooling, as gathered windows and one product: conv1d, conv2d, maxPool, averagePool. */
import { sizeOf, stridesOf } from '../../backends/layout.js';
import { checkOptions, requireThat, whole } from '../../options.js';
import { commonDtype, requireFit, requireFloat, requireTensors } from '../arguments.js';
import { arange } from '../create.js';
import { type Shape, sameShape, showShape, type Tensor } from '../tensor.js';
import { add, mul } from './elementwise.js';
import { gather } from './indexing.js';
import { matmul } from './matmul.js';
import { max, mean } from './reduction.js';
import { pad, reshape, transpose } from './shape.js';

/** A number for all axes of space, or one for each. */
type PerAxis = number | readonly number[];

/** Options of a pooling. */
export interface PoolOptions {
  /** The distance between windows. Default: their size. */
  stride?: PerAxis;
  /** How many positions to add at both ends of each axis. Default 0. */
  padding?: PerAxis;
}

/** Options of a convolution. */
export interface ConvolutionOptions {
  /** The distance between windows. Default 1. */
  stride?: PerAxis;
  /** How many zeros to add at both ends of each axis. Default 0. */
  padding?: PerAxis;
  /** The distance between the values of a window. Default 1. */
  dilation?: PerAxis;
  /**
   * Cuts channels and outputs into this many parts of equal length; each part of the outputs reads
   * the part of the channels at the same place. Default 1.
   */
  groups?: number;
}

/**
 * The convolution of `x` [batch, channels, length] with `weight` [outputs, channels / groups, size],
 * plus `bias` [outputs], as PyTorch's `conv1d` (the weight isn't flipped): [batch, outputs,
 * positions]. Throws `MemgradError` when the shapes don't fit.
 */
export function conv1d(
  x: Tensor,
  weight: Tensor,
  bias?: Tensor,
  options?: ConvolutionOptions,
): Tensor {
  return convolution('conv1d', 3, x, weight, bias, options);
}

/**
 * The convolution of `x` [batch, channels, height, width] with `weight` [outputs, channels / groups,
 * rows, columns], plus `bias` [outputs], as PyTorch's `conv2d`. Throws `MemgradError` when the shapes
 * don't fit.
 */
export function conv2d(
  x: Tensor,
  weight: Tensor,
  bias?: Tensor,
  options?: ConvolutionOptions,
): Tensor {
  return convolution('conv2d', 4, x, weight, bias, options);
}

function convolution(
  name: string,
  rank: number,
  x: Tensor,
  weight: Tensor,
  bias: Tensor | undefined,
  options: ConvolutionOptions | undefined,
): Tensor {
  requireFloat(name, x);
  const inputs = bias === undefined ? [x, weight] : [x, weight, bias];
  requireTensors(`${name} (options come fourth)`, ...inputs);
  checkOptions(name, options, { stride: 1, padding: 1, dilation: 1, groups: whole() });
  commonDtype(name, inputs);
  const { groups = 1, ...windowing } = options ?? {};
  const [outputs, channels, ...size] = weight.shape;
  requireFit(
    x.rank === rank &&
      weight.rank === rank &&
      x.shape[1] === channels * groups &&
      outputs % groups === 0 &&
      (!bias || sameShape(bias.shape, [outputs])),
    name,
    `rank ${rank}, channels / groups in axis 1 of the weight, outputs that groups divides and a bias for each output`,
    ...inputs.map(({ shape }) => shape),
  );
  const { values, shape } = windows(name, x, size, windowing, 0);
  const [positions, taps, batch] = values.shape;
  const rows = transpose(
    reshape(values, [positions, taps, batch, groups, channels]),
    [3, 0, 2, 1, 4],
  );
  const each = outputs / groups;
  const filters = transpose(reshape(weight, [groups, each, channels, taps]), [0, 3, 2, 1]);
  const sums = matmul(
    reshape(rows, [groups, positions * batch, taps * channels]),
    reshape(filters, [groups, taps * channels, each]),
  );
  const byImage = transpose(reshape(sums, [groups, positions, batch, each]), [2, 0, 3, 1]);
  const result = reshape(byImage, [batch, outputs, ...shape]);
  return bias ? add(result, reshape(bias, [outputs, ...shape.map(() => 1)])) : result;
}

/**
 * The largest value of each window of `size` in `x` [batch, channels, ...space], of floats. Windows
 * that reach into the padding ignore it; equal values share the gradient.
 */
export function maxPool(x: Tensor, size: PerAxis, options?: PoolOptions): Tensor {
  return pooled('maxPool', x, size, options, -Infinity, max);
}

/**
 * The mean of each window of `size` in `x` [batch, channels, ...space], of floats. Padding counts as
 * zeros, as in PyTorch.
 */
export function averagePool(x: Tensor, size: PerAxis, options?: PoolOptions): Tensor {
  return pooled('averagePool', x, size, options, 0, mean);
}

function pooled(
  name: string,
  x: Tensor,
  size: PerAxis,
  options: PoolOptions | undefined,
  fill: number,
  reduce: (x: Tensor, axis: number) => Tensor,
): Tensor {
  requireFloat(name, x);
  checkOptions(name, options, { stride: 1, padding: 1 });
  requireFit(x.rank > 2, name, '[batch, channels, ...space]', x.shape);
  const sizes = perAxis(`${name}: size`, size, x.rank - 2, 1);
  const { stride = sizes, padding } = options ?? {};
  const around = perAxis(`${name}: padding`, padding ?? 0, x.rank - 2, 0);
  requireFit(
    around.every((amount, axis) => 2 * amount <= sizes[axis]),
    name,
    `padding of at most half of ${showShape(sizes)}`,
    around,
  );
  const { values, shape } = windows(name, x, sizes, { stride, padding: around }, fill);
  return reshape(transpose(reduce(values, 1), [1, 2, 0]), [...x.shape.slice(0, 2), ...shape]);
}

/**
 * The values of all windows: [positions, taps, batch, channels], and the shape of the positions.
 */
function windows(
  name: string,
  x: Tensor,
  size: Shape,
  options: Omit<ConvolutionOptions, 'groups'>,
  fill: number,
): { values: Tensor; shape: Shape } {
  const space = x.shape.slice(2);
  const [stride, padding, dilation] = (['stride', 'padding', 'dilation'] as const).map((option) => {
    const least = option === 'padding' ? 0 : 1;
    return perAxis(`${name}: ${option}`, options[option] ?? least, space.length, least);
  });
  const padded = space.map((length, axis) => length + 2 * padding[axis]);
  const reach = size.map((taps, axis) => 1 + dilation[axis] * (taps - 1));
  const shape = padded.map((length, axis) => 1 + Math.floor((length - reach[axis]) / stride[axis]));
  requireFit(
    shape.every((positions, axis) => positions > 0 && size[axis] > 0),
    name,
    `space for windows of ${showShape(reach)}`,
    padded,
  );
  const around = [[0, 0] as const, [0, 0] as const, ...padding.map((n) => [n, n] as const)];
  const order = x.shape.map((_, axis) => (axis + 2) % x.rank);
  const lengths = x.shape.slice(0, 2);
  const table = reshape(transpose(pad(x, around, fill), order), [sizeOf(padded), ...lengths]);
  const strides = stridesOf(padded);
  /** The steps of a window, or of a tap in it, along one of their axes. */
  const steps = (length: number, step: number, axis: number) =>
    reshape(
      mul(arange(length, { backend: x.backend }), length > 1 ? step : 0),
      [...shape, ...size].map((_, i) => (i === axis ? length : 1)),
    );
  const at = shape
    .flatMap((length, axis) => [
      steps(length, stride[axis] * strides[axis], axis),
      steps(size[axis], dilation[axis] * strides[axis], axis + space.length),
    ])
    .reduce(add);
  const values = reshape(gather(table, at), [sizeOf(shape), sizeOf(size), ...lengths]);
  return { values, shape };
}

/** One whole number of at least `least` for each of `axes`. */
function perAxis(what: string, value: PerAxis, axes: number, least: number): readonly number[] {
  const list = Array.isArray(value) ? Array.from(value) : Array(axes).fill(value);
  const [expected, fits] = whole(least);
  requireThat(
    list.length === axes && list.every((n) => fits(n as never)),
    what,
    `${expected}, or ${axes} of them`,
    value,
  );
  return list;
}
