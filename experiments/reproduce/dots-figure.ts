/**
 * An experiment as a figure in SVG: one line per row, with a dot per seed at its steps or its
 * score.
 */
import type { Experiment } from './experiment.js';
import { axis, escaped, rangeOf } from './figure.js';
import type { Measured } from './measured.js';
import { type Filled, scoreOf, showScore } from './summary.js';

const WIDTH = 720;
const LEFT = 270; // for the names of the rows
const RIGHT = 24;
const TOP = 64;
const LINE = 20;
const COLOUR = '#009e73';

/** From this score on a run counts as having learnt. */
const LEARNT = 0.99;

/**
 * For steps: filled dots for runs that learnt, hollow ones at the end of training for those that
 * did not.
 */
export function dotsFigure(experiment: Experiment, cells: readonly Filled[]): string {
  const height = TOP + LINE * cells.length + 16;
  const steps = experiment.shows === 'steps';
  const most = Math.max(1, ...cells.flatMap(({ runs }) => runs.map((run) => run.steps)));
  const [from, to] = steps ? [0, most] : rangeOf(experiment, cells);
  const x = (value: number) =>
    (LEFT + ((value - from) / (to - from)) * (WIDTH - LEFT - RIGHT)).toFixed(1);
  const dot = (run: Measured, y: number) => {
    const score = scoreOf(experiment, run);
    const fill = !steps || score >= LEARNT ? COLOUR : 'none';
    return `<circle cx="${x(steps ? run.steps : score)}" cy="${y - 4}" r="4" fill="${fill}" stroke="${COLOUR}"/>`;
  };
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((share) => {
    const value = from + share * (to - from);
    const [at, name] = steps
      ? [Math.round(value), String(Math.round(value))]
      : [value, showScore(experiment, value)];
    return `<line x1="${x(at)}" x2="${x(at)}" y1="${TOP - 16}" y2="${height - 16}" stroke="#ddd"/><text x="${x(at)}" y="${TOP - 20}" text-anchor="middle">${name}</text>`;
  });
  const lines = cells.flatMap(({ cell, runs }, i) => {
    const y = TOP + LINE * i + 4;
    const name = `<text x="${LEFT - 14}" y="${y}" text-anchor="end">${escaped(cell.row)}</text>`;
    return [name, ...runs.map((run) => dot(run, y))];
  });
  const shown = steps ? 'steps taken; hollow where it was not learnt' : axis(experiment);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${height}" fill="#fff"/>`,
    `<text x="16" y="22" font-size="14">${escaped(`${experiment.title}: ${shown}`)}</text>`,
    ...ticks,
    ...lines,
    '</svg>',
    '',
  ].join('\n');
}
