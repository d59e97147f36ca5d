/** How far training has come. */
import type { Point } from './messages.js';

/** So many held-out sequences are read after each step of a task that is measured by whole answers. */
export const READ = 16;

const WINDOW = 10;
const ENOUGH = 0.998;

/** The mean of the last ten, of those that are numbers; NaN where there is none. */
export function recent(points: readonly Point[], field: 'loss' | 'accuracy' | 'tokensPerSecond') {
  const last = points.slice(-WINDOW).map((point) => point[field]);
  const known = last.filter(Number.isFinite);
  return known.reduce((sum, value) => sum + value, 0) / known.length;
}

/** Whether ten steps have averaged 99.8%. */
export function isLearnt(points: readonly Point[]): boolean {
  const known = points.slice(-WINDOW).filter(({ accuracy }) => Number.isFinite(accuracy));
  return known.length === WINDOW && recent(known, 'accuracy') >= ENOUGH;
}
