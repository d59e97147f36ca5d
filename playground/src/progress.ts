/** How far training has come. */
import type { Point } from './messages.js';

const WINDOW = 10;
const ENOUGH = 0.998;

/** The mean of the last ten; NaN where there is none. */
export function recent(points: readonly Point[], field: 'loss' | 'accuracy' | 'tokensPerSecond') {
  const last = points.slice(-WINDOW);
  return last.reduce((sum, point) => sum + point[field], 0) / last.length;
}

/** Whether ten steps have averaged 99.8%. */
export function isLearnt(points: readonly Point[]): boolean {
  return points.length >= WINDOW && recent(points, 'accuracy') >= ENOUGH;
}
