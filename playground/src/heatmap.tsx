/** A matrix as coloured cells, to be read one by one with the pointer or the arrow keys. */
import { useEffect, useId, useRef, useState } from 'preact/hooks';
import type { Matrix } from './messages.js';
import { colour, useTheme } from './theme.js';

/** An outlined group of rows or columns. */
export interface Band {
  readonly axis: 'row' | 'column';
  readonly from: number;
  readonly count: number;
  /** A CSS variable of the page. */
  readonly colour: string;
}

interface HeatMapProps {
  title: string;
  /** Describes the picture in a sentence. */
  summary: string;
  matrix: Matrix;
  /** Short names, drawn next to the cells if there is room. */
  rows?: readonly string[];
  columns?: readonly string[];
  bands?: readonly Band[];
  /** The value of the strongest colour; negative values have their own colour. */
  most: number;
  /** Maximum width and height of a cell in pixels. */
  cell: readonly [width: number, height: number];
  /** Describes a cell in words. */
  describe: (row: number, column: number, value: number) => string;
}

const LABEL = 16;
const ROOM = 9; // for a letter, in pixels

export function HeatMap(props: HeatMapProps) {
  const { title, summary, matrix, describe } = props;
  const holder = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const [at, setAt] = useState<readonly [row: number, column: number]>();
  const [width, setWidth] = useState(0);
  const theme = useTheme();
  const id = useId();
  const here = at && at[0] < matrix.rows && at[1] < matrix.columns ? at : undefined;
  const layout = layOut(props, width);

  useEffect(() => {
    const element = holder.current as HTMLDivElement;
    const observer = new ResizeObserver(() => setWidth(element.clientWidth));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  useEffect(() => {
    if (width > 0) draw(canvas.current as HTMLCanvasElement, props, layout, here);
  }, [matrix, theme, width, here?.join(), props.most, JSON.stringify(props.bands)]);

  const point = (event: PointerEvent) => {
    const row = Math.floor((event.offsetY - layout.top) / layout.height);
    const column = Math.floor((event.offsetX - layout.left) / layout.width);
    const inside = row >= 0 && column >= 0 && row < matrix.rows && column < matrix.columns;
    setAt(inside ? [row, column] : undefined);
  };
  const move = (event: KeyboardEvent) => {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[
      event.key
    ];
    if (!step) return;
    event.preventDefault();
    const [row, column] = here ?? [0, 0];
    const moved = (index: number, by: number, count: number) =>
      here ? Math.min(count - 1, Math.max(0, index + by)) : 0;
    setAt([moved(row, step[0], matrix.rows), moved(column, step[1], matrix.columns)]);
  };

  return (
    <div class="heatmap" ref={holder}>
      <canvas
        ref={canvas}
        role="img"
        tabIndex={0}
        aria-label={`${title}. ${summary}. The arrow keys read the cells.`}
        aria-describedby={id}
        onKeyDown={move}
        onPointerMove={point}
        onPointerDown={point}
      />
      <output id={id} class="hint">
        {here
          ? describe(here[0], here[1], matrix.values[here[0] * matrix.columns + here[1]])
          : '\u00a0'}
      </output>
    </div>
  );
}

/** The origin of the cells and the size of each, in CSS pixels. */
interface Layout {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

function layOut({ matrix, rows, columns, cell }: HeatMapProps, width: number): Layout {
  const left = rows ? LABEL : 1;
  const fitting = (width - left - 2) / matrix.columns;
  const cellWidth = Math.min(cell[0], fitting);
  const square = cell[0] === cell[1];
  return { left, top: columns ? LABEL : 1, width: cellWidth, height: square ? cellWidth : cell[1] };
}

function draw(
  canvas: HTMLCanvasElement,
  { matrix, rows, columns, bands = [], most }: HeatMapProps,
  { left, top, width, height }: Layout,
  here: readonly [number, number] | undefined,
): void {
  const size = [left + matrix.columns * width + 1, top + matrix.rows * height + 1];
  const scale = devicePixelRatio;
  canvas.width = Math.ceil(size[0] * scale);
  canvas.height = Math.ceil(size[1] * scale);
  canvas.style.width = `${size[0]}px`;
  canvas.style.height = `${size[1]}px`;
  const context = canvas.getContext('2d') as CanvasRenderingContext2D;
  context.scale(scale, scale);
  const [cold, heat, negative] = ['--cold', '--heat', '--negative'].map(colour);
  context.fillStyle = cold;
  context.fillRect(left, top, matrix.columns * width, matrix.rows * height);
  matrix.values.forEach((value, i) => {
    const strength = Math.min(1, Math.abs(value) / most);
    if (!(strength > 0)) return;
    context.globalAlpha = strength;
    context.fillStyle = value > 0 ? heat : negative;
    const [row, column] = [Math.floor(i / matrix.columns), i % matrix.columns];
    context.fillRect(left + column * width, top + row * height, width, height);
  });
  context.globalAlpha = 1;

  context.font = '11px ui-monospace, monospace';
  context.fillStyle = colour('--muted');
  context.textAlign = 'center';
  context.textBaseline = 'middle';
  if (height >= ROOM) {
    rows?.forEach((text, i) => {
      context.fillText(text, left / 2, top + (i + 0.5) * height);
    });
  }
  if (width >= ROOM) {
    columns?.forEach((text, i) => {
      context.fillText(text, left + (i + 0.5) * width, top / 2);
    });
  }
  context.lineWidth = 2;
  for (const { axis, from, count, colour: name } of bands) {
    context.strokeStyle = colour(name);
    if (axis === 'row') {
      context.strokeRect(left, top + from * height, matrix.columns * width, count * height);
    } else {
      context.strokeRect(left + from * width, top, count * width, matrix.rows * height);
    }
  }
  if (here) {
    context.strokeStyle = colour('--text');
    context.strokeRect(left + here[1] * width, top + here[0] * height, width, height);
  }
}
