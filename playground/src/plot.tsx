/** Curves drawn by uPlot in the colours of the page. */
import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import { colour, useTheme } from './theme.js';

export interface Curve {
  readonly label: string;
  /** A CSS variable of the page, such as `--first`. */
  readonly colour: string;
  readonly dashed?: boolean;
  readonly xs: readonly number[];
  readonly ys: readonly number[];
}

const HEIGHT = 220;
const LETTER = 7; // width of a label's letter, in pixels
/** The maximum number of points per curve, more than a screen resolves. */
const MOST_POINTS = 1500;

/** `summary` describes the curves in a sentence. */
export function Plot({
  title,
  summary,
  curves,
  range,
  show = String,
  log = false,
  shows,
}: {
  title: string;
  summary: string;
  curves: readonly Curve[];
  range?: readonly [least: number, most: number];
  /** Formats a value on the axis. */
  show?: (value: number) => string;
  log?: boolean;
  /** The `data-shows` name that lessons refer to. */
  shows?: string;
}) {
  const holder = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const theme = useTheme();
  const empty = curves.every(({ xs }) => xs.length === 0);
  const shape = curves.map(({ label, colour, dashed }) => [label, colour, dashed].join()).join(';');

  useEffect(() => {
    if (empty) return; // uPlot would keep the grid of the previous curves
    const element = holder.current as HTMLDivElement;
    const axis = {
      stroke: colour('--muted'),
      grid: { stroke: colour('--line'), width: 1 },
      ticks: { show: false },
    };
    plot.current = new uPlot(
      {
        width: element.clientWidth,
        height: HEIGHT,
        legend: { show: false },
        cursor: { show: false },
        scales: { x: { time: false }, y: log ? { distr: 3 } : range ? { range: [...range] } : {} },
        axes: [
          { ...axis, size: 32, incrs: wholeNumbers },
          {
            ...axis,
            size: widthOf,
            values: (_, splits) => splits.map((value) => (value === null ? '' : show(value))),
            ...(log && { filter: powersOfTen, grid: { ...axis.grid, filter: powersOfTen } }),
          },
        ],
        series: [
          {},
          ...curves.map(({ label, colour: name, dashed }) => ({
            label,
            stroke: colour(name),
            width: 2,
            dash: dashed ? [6, 4] : undefined,
            spanGaps: true,
            points: { show: ({ data }: uPlot) => data[0].length === 1 },
          })),
        ],
      },
      dataOf(curves),
      element,
    );
    const observer = new ResizeObserver(() =>
      plot.current?.setSize({ width: element.clientWidth, height: HEIGHT }),
    );
    observer.observe(element);
    return () => {
      observer.disconnect();
      plot.current?.destroy();
      plot.current = undefined;
    };
  }, [theme, shape, log, range?.join(), empty]);

  useEffect(() => plot.current?.setData(dataOf(curves)));

  return (
    <figure class="plot" data-shows={shows}>
      <figcaption>
        <span class="title">{title}</span>
        <span class="legend">
          {curves.map(({ label, colour, dashed }) => (
            <span key={label}>
              <i class={dashed ? 'dashed' : ''} style={{ borderColor: `var(${colour})` }} /> {label}
            </span>
          ))}
        </span>
      </figcaption>
      <div ref={holder} class="picture" role="img" aria-label={`${title}. ${summary}`}>
        {empty && <p class="hint">Start training, or take a step: the curve begins here.</p>}
      </div>
    </figure>
  );
}

/** The possible distances between ticks on the axis of steps. */
const wholeNumbers = Array.from({ length: 7 }, (_, i) => [1, 2, 5].map((n) => n * 10 ** i)).flat();

/** Keeps only the powers of ten on a logarithmic axis. */
const powersOfTen = (_: uPlot, splits: number[]) =>
  splits.map((value) =>
    Number.isInteger(Math.round(1e6 * Math.log10(value)) / 1e6) ? value : null,
  );

/** The width of the labels of the vertical axis, in pixels. */
const widthOf: uPlot.Axis.Size = (_, values) =>
  18 + LETTER * Math.max(4, ...(values ?? []).map(({ length }) => length));

/** Joins the curves on one axis with the points of all of them. */
function dataOf(curves: readonly Curve[]): uPlot.AlignedData {
  if (curves.length === 0) return [[]];
  return uPlot.join(
    curves.map(({ xs, ys }) => {
      const every = Math.ceil(xs.length / MOST_POINTS);
      const kept = (values: readonly number[]) =>
        every > 1 ? values.filter((_, i) => i % every === 0) : [...values];
      return [kept(xs), kept(ys)];
    }),
  );
}
