/** Learning curves in a terminal. */
import draw from 'simple-ascii-chart';
import { percent } from './format.js';
import type { Colour, Output } from './output.js';

/** A curve: one value per step. */
export interface Series {
  readonly name: string;
  readonly mark: string;
  readonly colour: Colour;
  readonly values: readonly number[];
}

const HEIGHT = 11;
const SMOOTHING = 10; // steps averaged for one point, as in the table

/**
 * Plots the series, all between 0 and 1, over their steps, which follow `before` others. Where
 * curves coincide their marks alternate, so none hides another.
 */
export function plot(output: Output, title: string, series: readonly Series[], before = 0): string {
  const width = output.columns - 12; // without the labels
  const steps = Math.max(...series.map(({ values }) => values.length));
  const columns = Array.from({ length: width }, (_, column) =>
    Math.max(1, Math.round((column / (width - 1)) * steps)),
  );
  const curves = series.map(({ values }, index) => {
    const turns = columns.filter(
      (step, column) => column % series.length === index && step < values.length,
    );
    const shown = values.length > 0 ? [...turns, values.length] : [];
    return shown.map((step): [number, number] => [step, smoothed(values, step)]);
  });
  let drawing = -1; // the current series; a point with index 0 starts the next one
  const chart = draw(
    curves.map((curve) => (curve.length > 0 ? curve : [[1, 0] as [number, number]])),
    {
      width,
      height: HEIGHT,
      yRange: [0, 1],
      customXAxisTicks: [0, 0.25, 0.5, 0.75, 1].map((part) =>
        Math.max(1, Math.round(part * steps)),
      ),
      customYAxisTicks: [0, 0.25, 0.5, 0.75, 1],
      formatter: (value, { axis }) =>
        axis === 'y' ? `${Math.round(value * 100)}%` : value + before,
      symbols: { axis: { n: ' ', e: ' ' } },
      lineFormatter: ({ index, plotX, plotY }) => {
        if (index === 0) drawing++;
        const { mark, colour } = series[drawing];
        return { x: plotX, y: plotY, symbol: output.colour(colour, mark) };
      },
    },
  );
  const legend = series
    .map(({ name, mark, colour, values }) => {
      const last = values.length > 0 ? ` ${percent(smoothed(values, values.length))}` : '';
      return `${output.colour(colour, mark)} ${name}${last}`;
    })
    .join('   ');
  const lines = chart.split('\n').filter((line) => line.trim() !== '');
  return [`${title}, over steps`, ...lines, `     ${legend}`].join('\n');
}

/** The mean of the last values up to `step`, counted from 1. */
function smoothed(values: readonly number[], step: number): number {
  const part = values.slice(Math.max(0, step - SMOOTHING), step);
  return part.reduce((sum, value) => sum + value, 0) / part.length;
}
