/** Positions: sinusoids, the shift to relative positions, and rotations. */

import { requireTensors } from '../autograd/arguments.js';
import { concat, cos, pad, reshape, sin, slice, type Tensor, tensor } from '../autograd/index.js';
import { check, checkOptions, type Kind, requireThat, whole } from '../options.js';
import { type Placement, placementKinds } from './parameters.js';

/**
 * Returns rows [sin(p f) | cos(p f)] for each position p, [positions, d], with f_i = 10000^(-2i /
 * d) (Vaswani et al. 2017, section 3.5; in halves, not interleaved, as in the Transformer-XL code).
 */
export function sinusoids(
  positions: readonly number[],
  d: number,
  placement: Placement = {},
): Tensor {
  checkOptions('sinusoids', placement, placementKinds);
  const areNumbers = Array.isArray(positions) && positions.every(Number.isFinite);
  requireThat(areNumbers, 'sinusoids: positions', 'a list of finite numbers', positions);
  requireEven('sinusoids: d', d, positions.length);
  const angles = anglesOf(positions, d, placement);
  return concat([sin(angles), cos(angles)], 1);
}

const PUBLISHED_BASE = 10000;
/** The maximum number of angles at once, which are computed as JavaScript numbers. */
const MOST_ANGLES = 2 ** 26;

/** Throws `MemgradError` for an odd width `d`, and for more angles than the maximum. */
export function requireEven(what: string, d: number, positions = 1): void {
  const most = MOST_ANGLES / Math.max(positions, 1);
  const fits = Number.isSafeInteger(d) && d >= 2 && d % 2 === 0 && d <= most;
  requireThat(fits, what, `even, at least 2 and, for ${positions} positions, at most ${most}`, d);
}

/** [positions, d / 2]: each position times each frequency base^(-2i / d). */
function anglesOf(
  positions: readonly number[],
  d: number,
  placement: Placement,
  base = PUBLISHED_BASE,
): Tensor {
  const { dtype, backend } = placement;
  const frequencies = Array.from({ length: d / 2 }, (_, i) => base ** ((-2 * i) / d));
  return tensor(
    positions.map((position) => frequencies.map((frequency) => position * frequency)),
    { dtype, backend },
  );
}

/**
 * Shifts row i of `x` [..., queries, distances] left by queries - 1 - i, by padding and reshaping
 * (Dai et al. 2019, appendix B). This turns a table by distance, largest first, into one by key.
 *
 * Where a shifted row ends, one 0 and then the values of the next row follow. If the table has no
 * negative distances, a query reads these values for the keys ahead of it. The causal mask of
 * Transformer-XL hides them, but RMT's memory rows see them: the published code's behaviour,
 * `relative-wrapped`. A table that extends to distance -(queries - 1) holds every distance
 * (`relative`).
 */
export function relShift(x: Tensor): Tensor {
  requireTensors('relShift', x);
  const [queries, distances] = x.shape.slice(-2);
  const batch = x.shape.slice(0, -2);
  const left = x.shape.map((_, axis) => [axis === x.rank - 1 ? 1 : 0, 0] as const);
  const padded = reshape(pad(x, left), [...batch, distances + 1, queries]);
  return reshape(slice(padded, -2, 1), [...batch, queries, distances]);
}

/** Cosines and sines of the angles of rotary positions: [positions, dHead / 2] each. */
export interface Rotations {
  cos: Tensor;
  sin: Tensor;
}

/** Options of `rotations`. */
export interface RotationOptions extends Placement {
  /** The slowest pair turns by nearly 1 / rotaryBase per position. Default 10000. */
  rotaryBase?: number;
}

/** The kind of `rotaryBase`. */
export const rotaryBaseKind: Kind = [
  'a finite number > 1',
  (base: number) => Number.isFinite(base) && base > 1,
];

/**
 * Returns the rotations of positions 0, 1, ... `count` - 1 (Su et al. 2021, eq. 15), for `rotate`.
 * Throws `MemgradError` unless `dHead` is even.
 */
export function rotations(count: number, dHead: number, options: RotationOptions = {}): Rotations {
  check('rotations: count', count, whole(1, MOST_ANGLES / 2));
  requireEven('rotations: dHead', dHead, count);
  checkOptions('rotations', options, { ...placementKinds, rotaryBase: rotaryBaseKind });
  const { rotaryBase, ...placement } = options;
  const positions = Array.from({ length: count }, (_, position) => position);
  const angles = anglesOf(positions, dHead, placement, rotaryBase);
  return { cos: cos(angles), sin: sin(angles) };
}

/** The ways in which attention sees positions. */
export const attentionPositions = ['none', 'rotary', 'relative', 'relative-wrapped'] as const;
/** How attention sees positions; `ModelConfig.positions` explains them. `none`: not at all. */
export type AttentionPositions = (typeof attentionPositions)[number];

/** The positions of the rows of one segment, as attention reads them. */
export interface PositionTable {
  /** With `rotary` positions: the rotation of each key. */
  rotary?: Rotations;
  /**
   * With `relative` positions: sinusoids `[distances, dModel]`, from the largest distance down to the
   * most negative one, or down to 0 with `relative-wrapped`.
   */
  relative?: Tensor;
}

/**
 * Returns the sinusoids of distances `first`, `first` - 1, ... `last`, [distances, dModel]. Longer
 * distances than `clampLen` count as `clampLen`.
 */
export function distanceTable(
  first: number,
  last: number,
  dModel: number,
  { clampLen = Infinity, ...placement }: Placement & { clampLen?: number },
): Tensor {
  const distances = Array.from({ length: first - last + 1 }, (_, i) =>
    Math.max(-clampLen, Math.min(clampLen, first - i)),
  );
  return sinusoids(distances, dModel, placement);
}
