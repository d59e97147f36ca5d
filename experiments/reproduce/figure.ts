/** An experiment as a figure in SVG: one line per model, over the rows of the table. */
import type { Contender, Experiment } from './experiment.js';
import { type Filled, meanOf, scoreOf, titles } from './summary.js';

const WIDTH = 640;
const HEIGHT = 360;
const LEFT = 56;
const RIGHT = 150; // for the legend
const TOP = 40;
const BOTTOM = 48;
const MANY = 6; // from this many rows on, their names don't fit side by side

/** Colours that people with colour blindness can tell apart (Okabe and Ito 2008). */
const COLOURS: Readonly<Record<Contender, string>> = {
  transformer: '#e69f00',
  'mem-transformer': '#cc79a7',
  'transformer-xl': '#0072b2',
  rmt: '#009e73',
  'transformer-xl-rmt': '#d55e00',
  'encoder-rmt': '#009e73',
};

/**
 * Draws our results as solid lines with a dot per seed, and the paper's numbers as dashed lines.
 */
export function figure(experiment: Experiment, cells: readonly Filled[]): string {
  const rows = [...new Set(cells.map(({ cell }) => cell.row))];
  const models = [...new Set(cells.map(({ cell }) => cell.model))];
  const x = (row: string) =>
    LEFT + ((rows.indexOf(row) + 0.5) / rows.length) * (WIDTH - LEFT - RIGHT);
  const [least, most] = rangeOf(experiment, cells);
  const y = (score: number) => TOP + ((most - score) / (most - least)) * (HEIGHT - TOP - BOTTOM);
  const text = (at: [number, number], content: string, more = '') =>
    `<text x="${at[0].toFixed(1)}" y="${at[1].toFixed(1)}" ${more}>${escaped(content)}</text>`;
  const path = (points: readonly [number, number][], more: string) =>
    points.length < 2
      ? ''
      : `<polyline points="${points.map((point) => point.map((value) => value.toFixed(1)).join(',')).join(' ')}" fill="none" ${more}/>`;

  const axes = [0, 0.25, 0.5, 0.75, 1].flatMap((share) => {
    const score = least + share * (most - least);
    return [
      `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y(score)}" y2="${y(score)}" stroke="#ddd"/>`,
      text([LEFT - 8, y(score) + 4], score.toFixed(2), 'text-anchor="end"'),
    ];
  });
  const labels = rows.flatMap((row) =>
    row
      .split(rows.length > MANY ? ' ' : ', ')
      .map((part, line) =>
        text([x(row), HEIGHT - BOTTOM + 18 + 14 * line], part, 'text-anchor="middle"'),
      ),
  );
  const lines = models.flatMap((model, index) => {
    const own = cells.filter(({ cell }) => cell.model === model);
    const stroke = `stroke="${COLOURS[model]}" stroke-width="2"`;
    const points = (value: (filled: Filled) => number | undefined) =>
      own.flatMap((filled): [number, number][] => {
        const share = value(filled);
        return share === undefined ? [] : [[x(filled.cell.row), y(share)]];
      });
    const dots = own.flatMap(({ cell, runs }) =>
      runs.map(
        (run) =>
          `<circle cx="${x(cell.row).toFixed(1)}" cy="${y(scoreOf(experiment, run)).toFixed(1)}" r="3.5" fill="${COLOURS[model]}"/>`,
      ),
    );
    const legend: [number, number] = [WIDTH - RIGHT + 16, TOP + 10 + 20 * index];
    return [
      path(
        points(({ cell }) => cell.paper),
        `${stroke} stroke-dasharray="3 4" opacity="0.6"`,
      ),
      path(
        points((filled) => meanOf(experiment, filled)),
        stroke,
      ),
      ...dots,
      `<circle cx="${legend[0]}" cy="${legend[1] - 4}" r="3.5" fill="${COLOURS[model]}"/>`,
      text([legend[0] + 10, legend[1]], titles[model]),
    ];
  });
  const published = cells.some(({ cell }) => cell.paper !== undefined);
  const notes = (published ? ['solid: here', 'dashed: the paper'] : []).map((note, i) =>
    text([WIDTH - RIGHT + 16, TOP + 22 + 20 * models.length + 16 * i], note, 'fill="#666"'),
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
    text([LEFT, 22], `${experiment.title}: ${axis(experiment)}`, 'font-size="14"'),
    ...axes,
    ...labels,
    ...lines.filter((line) => line !== ''),
    ...notes,
    '</svg>',
    '',
  ].join('\n');
}

/** The title of the axis of scores. */
export function axis({ score }: Experiment): string {
  const names = {
    accuracy: 'answer tokens right',
    exact: 'whole answers right',
    bits: 'bits per character',
    perplexity: 'perplexity',
    f1: 'F1',
  };
  return names[score];
}

/**
 * The range of the axis: 0 to 1 for shares; for other scores, the range of the shown values with a
 * margin.
 */
export function rangeOf(
  experiment: Experiment,
  cells: readonly Filled[],
): [least: number, most: number] {
  if (experiment.score !== 'bits' && experiment.score !== 'perplexity') return [0, 1];
  const shown = cells.flatMap(({ cell, runs }) => [
    ...runs.map((run) => scoreOf(experiment, run)),
    ...(cell.paper === undefined ? [] : [cell.paper]),
  ]);
  if (shown.length === 0) return [0, 1];
  const [least, most] = [Math.min(...shown), Math.max(...shown)];
  const margin = (most - least) / 10 || 1;
  return [least - margin, most + margin];
}

/** Escapes text for SVG. */
export function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
