/** An experiment as a figure in SVG: how many steps each of its rows took, a dot to each seed. */
import type { Experiment } from './experiment.js';
import { escaped } from './figure.js';
import type { Measured } from './measured.js';
import { type Filled, scoreOf } from './summary.js';

const WIDTH = 720;
const LEFT = 270; // for the names of the rows
const RIGHT = 24;
const TOP = 64;
const LINE = 20;
const COLOUR = '#009e73';

/** From this score on a run counts as one that has learnt. */
const LEARNT = 0.99;

/** Filled dots for runs that learnt, hollow ones at the end of training for those that did not. */
export function stepsFigure(experiment: Experiment, cells: readonly Filled[]): string {
  const height = TOP + LINE * cells.length + 16;
  const runs = cells.flatMap((filled) => filled.runs);
  const most = Math.max(1, ...runs.map(({ steps }) => steps));
  const x = (steps: number) => (LEFT + (steps / most) * (WIDTH - LEFT - RIGHT)).toFixed(1);
  const dot = (run: Measured, y: number) => {
    const fill = scoreOf(experiment, run) >= LEARNT ? COLOUR : 'none';
    return `<circle cx="${x(run.steps)}" cy="${y - 4}" r="4" fill="${fill}" stroke="${COLOUR}"/>`;
  };
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((share) => {
    const steps = Math.round(share * most);
    return `<line x1="${x(steps)}" x2="${x(steps)}" y1="${TOP - 16}" y2="${height - 16}" stroke="#ddd"/><text x="${x(steps)}" y="${TOP - 20}" text-anchor="middle">${steps}</text>`;
  });
  const lines = cells.flatMap(({ cell, runs }, i) => {
    const y = TOP + LINE * i + 4;
    const name = `<text x="${LEFT - 14}" y="${y}" text-anchor="end">${escaped(cell.row)}</text>`;
    return [name, ...runs.map((run) => dot(run, y))];
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${height}" fill="#fff"/>`,
    `<text x="16" y="22" font-size="14">${escaped(`${experiment.title}: steps taken; hollow where it was not learnt`)}</text>`,
    ...ticks,
    ...lines,
    '</svg>',
    '',
  ].join('\n');
}
