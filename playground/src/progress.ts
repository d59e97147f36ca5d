/** The progress of training. */
import type { Point } from './messages.js';

/**
 * Number of held-out sequences that are answered after each step of a task measured by whole
 * answers.
 */
export const READ = 16;

const WINDOW = 10;
const ENOUGH = 0.998;

/** The mean of the finite values among the last ten points; NaN if there are none. */
export function recent(points: readonly Point[], field: 'loss' | 'accuracy' | 'tokensPerSecond') {
  const last = points.slice(-WINDOW).map((point) => point[field]);
  const known = last.filter(Number.isFinite);
  return known.reduce((sum, value) => sum + value, 0) / known.length;
}

/** Whether the last ten steps average at least 99.8%. */
export function isLearnt(points: readonly Point[]): boolean {
  const known = points.slice(-WINDOW).filter(({ accuracy }) => Number.isFinite(accuracy));
  return known.length === WINDOW && recent(known, 'accuracy') >= ENOUGH;
}
