/** Curves of a log of any length, with a bounded number of points. */
import type { Metrics } from '../../runs/metrics.js';

const MOST = 1000;
/** A log from outside may name any number of layers; no model here has so many. */
const MOST_NAMES = 1000;

/** The mean of each number over as many steps as lead to at most 1,000 points. */
export interface Curves {
  /** The last step of each point. */
  readonly steps: number[];
  /** By name; null at a point without such a number. */
  readonly values: Record<string, (number | null)[]>;
}

/** One point: the sums and counts of the numbers of its steps. */
class Point {
  step = 0;
  lines = 0;
  readonly sums = new Map<string, { sum: number; count: number }>();

  add(name: string, value: number | null | undefined, count = 1): void {
    if (value === null || value === undefined) return;
    const known = this.sums.get(name) ?? { sum: 0, count: 0 };
    this.sums.set(name, { sum: known.sum + value * count, count: known.count + count });
  }

  join(next: Point): void {
    this.step = next.step;
    this.lines += next.lines;
    for (const [name, { sum, count }] of next.sums) this.add(name, sum / count, count);
  }
}

/** Collects lines. When there are too many points, joins each with its neighbour. */
export class CurveCollector {
  #points: Point[] = [];
  #linesPerPoint = 1;
  readonly #names = new Set<string>();

  take(line: Metrics): void {
    let point = this.#points.at(-1);
    if (!point || point.lines >= this.#linesPerPoint) {
      if (this.#points.length === 2 * MOST) this.#halve();
      point = new Point();
      this.#points.push(point);
    }
    point.step = line.step;
    point.lines++;
    for (const name of ['loss', 'accuracy', 'learningRate', 'gradientNorm'] as const) {
      point.add(name, line[name]);
    }
    for (const [i, norm] of line.segmentGradientNorms.entries())
      this.#add(point, `segment ${i + 1}`, norm);
    for (const [layer, norm] of Object.entries(line.layerGradientNorms)) {
      this.#add(point, `layer ${layer}`, norm);
    }
  }

  #add(point: Point, name: string, value: number | null): void {
    if (this.#names.size < MOST_NAMES) this.#names.add(name);
    if (this.#names.has(name)) point.add(name, value);
  }

  get curves(): Curves {
    while (this.#points.length > MOST) this.#halve();
    const names = new Set(this.#points.flatMap(({ sums }) => [...sums.keys()]));
    const values = [...names].map((name) => [
      name,
      this.#points.map(({ sums }) => {
        const found = sums.get(name);
        return found ? Number((found.sum / found.count).toPrecision(5)) : null;
      }),
    ]);
    return { steps: this.#points.map(({ step }) => step), values: Object.fromEntries(values) };
  }

  #halve(): void {
    const joined: Point[] = [];
    for (const [i, point] of this.#points.entries()) {
      if (i % 2 === 0) joined.push(point);
      else joined[joined.length - 1].join(point);
    }
    this.#points = joined;
    this.#linesPerPoint *= 2;
  }
}
