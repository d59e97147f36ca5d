/** Positions: sinusoids, the shift to relative positions, and rotations. */

import { requireTensors } from '../../autograd/arguments.js';
import {
  concat,
  cos,
  pad,
  reshape,
  sin,
  slice,
  type Tensor,
  tensor,
} from '../../autograd/index.js';
import { check, requireThat, whole } from '../../options.js';
import type { Placement } from './parameters.js';

/**
 * Returns rows [sin(p f) | cos(p f)] for each position p, [positions, d], with f_i = 10000^(-2i /
 * d) (Vaswani et al. 2017, section 3.5; in halves, not interleaved, as in the Transformer-XL code).
 */
export function sinusoids(
  positions: readonly number[],
  d: number,
  placement: Placement = {},
): Tensor {
  const areNumbers = Array.isArray(positions) && positions.every(Number.isFinite);
  requireThat(areNumbers, 'sinusoids: positions', 'a list of finite numbers', positions);
  requireSize('sinusoids: d', d, positions.length);
  const angles = anglesOf(positions, d, placement);
  return concat([sin(angles), cos(angles)], 1);
}

const PUBLISHED_BASE = 10000;
/** The maximum number of angles at once, which are computed as JavaScript numbers. */
const MOST_ANGLES = 2 ** 26;

/** Throws `MemgradError` for an odd width `d`, and for more angles than the maximum. */
function requireSize(what: string, d: number, positions: number): void {
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
  const { dtype, backend } = placement ?? {};
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

/** Returns the rotations of positions 0, 1, ... `count` - 1 (Su et al. 2021, eq. 15). */
export function rotations(
  count: number,
  config: Placement & { dHead: number; rotaryBase?: number },
): Rotations {
  const { dHead, rotaryBase, ...placement } = config ?? {};
  check('rotations: count', count, whole(1, MOST_ANGLES / 2));
  requireSize('rotations: dHead', dHead, count);
  const positions = Array.from({ length: count }, (_, position) => position);
  const angles = anglesOf(positions, dHead, placement, rotaryBase);
  return { cos: cos(angles), sin: sin(angles) };
}
