/** metrics.jsonl: one JSON object per step. */
import { MemgradError } from '../errors.js';
import * as options from '../options.js';
import { requireBytes } from '../safetensors/bytes.js';
import type { TrainStep } from '../training/index.js';
import { dictionary, list, object, orDefault, orNull, real, text, whole } from './check.js';
import { METRICS_FILE, parseJson } from './files.js';
import { limits } from './schema.js';
import type { RunStorage } from './storage.js';

const MOST_LINE_BYTES = 1_000_000;
/** The log is read in blocks of this many bytes, so it may be of any size. */
const BLOCK = 2 ** 20;
const NEWLINE = 10;

/** A number, or null for one that was not finite, which JSON cannot represent. */
const number = orNull(real(-Number.MAX_VALUE, Infinity));
const line = object({
  step: whole(1, limits.steps),
  loss: number,
  accuracy: number,
  gradientNorm: number,
  segmentGradientNorms: list(number),
  layerGradientNorms: dictionary(number),
  learningRate: number,
  tokensPerSecond: number,
  length: whole(1, Number.MAX_SAFE_INTEGER),
  segmentLength: orDefault(whole(1, limits.segmentLength), undefined),
  skipped: orDefault(text(10_000), undefined),
});

/** A line of metrics.jsonl: a step, with null in place of numbers that were not finite. */
export type Metrics = ReturnType<typeof line>;

/** The line of a step, as it is written to the log. */
export function metricsLine(step: TrainStep): string {
  return `${JSON.stringify(step)}\n`;
}

/** The lines of steps 1 to `steps`. */
export interface MetricsRead {
  /** The last `keep` of these lines. */
  readonly last: readonly Metrics[];
  /**
   * The length of the log up to the end of the last line. The rest is of unsaved steps, or damaged.
   */
  readonly bytes: number;
  /** How many of the last `keep` steps have no readable line. */
  readonly lost: number;
}

/**
 * Reads the lines of steps 1 to `steps`. A truncated or damaged line is skipped and counted: a
 * broken log must not make the run useless.
 */
export function readMetrics(bytes: Uint8Array, steps: number, keep: number): MetricsRead {
  requireBytes('readMetrics', bytes);
  options.check('readMetrics: steps', steps, options.whole(0));
  options.check('readMetrics: keep', keep, options.whole(0));
  const lines = new Lines(steps, keep);
  lines.takeBlock(bytes, 0);
  return lines.read;
}

/**
 * As `readMetrics` on the log in `storage`, of any size, read from its end. A missing log has no
 * lines.
 */
export async function readLog(
  storage: RunStorage,
  steps: number,
  keep: number,
): Promise<MetricsRead> {
  if (!(await storage.list()).includes(METRICS_FILE)) return new Lines(steps, keep).read;
  if (!storage.size || !storage.readPart) {
    return readMetrics(await storage.read(METRICS_FILE), steps, keep);
  }
  const lines = new Lines(steps, keep);
  let rest = new Uint8Array(); // the end of a line that begins in an earlier block
  for (let end = await storage.size(METRICS_FILE); end > 0 && !lines.complete; ) {
    const start = Math.max(0, end - BLOCK);
    const part = await storage.readPart(METRICS_FILE, start, end);
    const block = new Uint8Array(part.length + rest.length);
    block.set(part);
    block.set(rest, part.length);
    rest = block.slice(0, lines.takeBlock(block, start));
    // Longer than any line: only its end is kept, so it stays unreadable.
    if (rest.length > 2 * MOST_LINE_BYTES) rest = rest.slice(-MOST_LINE_BYTES - 2);
    end = start;
  }
  return lines.read;
}

/**
 * Calls `use` with each readable line of the log in `storage`, of any size, from its start. Of a step
 * that was taken twice, the first counts.
 */
export async function eachMetrics(
  storage: RunStorage,
  use: (line: Metrics) => void,
): Promise<void> {
  if (!(await storage.list()).includes(METRICS_FILE)) return;
  const whole = storage.size && storage.readPart ? undefined : await storage.read(METRICS_FILE);
  const size = whole?.length ?? (await storage.size?.(METRICS_FILE)) ?? 0;
  let rest = new Uint8Array();
  let step = 0;
  for (let start = 0; start < size; start += BLOCK) {
    const end = Math.min(size, start + BLOCK);
    const part =
      whole?.subarray(start, end) ?? (await storage.readPart?.(METRICS_FILE, start, end));
    const block = new Uint8Array(rest.length + (part as Uint8Array).length);
    block.set(rest);
    block.set(part as Uint8Array, rest.length);
    let from = 0;
    for (let to = block.indexOf(NEWLINE); to >= 0; to = block.indexOf(NEWLINE, from)) {
      const read = parseLine(block.subarray(from, to));
      from = to + 1;
      if (!read || read.step <= step) continue;
      step = read.step;
      use(read);
    }
    rest = block.slice(from);
    if (rest.length > 2 * MOST_LINE_BYTES) rest = rest.slice(0, MOST_LINE_BYTES + 1); // unreadable
  }
}

/** Collects lines, from the last to the first. */
class Lines {
  /** In reverse order. */
  readonly #found: Metrics[] = [];
  #bytes = 0;

  constructor(
    readonly steps: number,
    readonly keep: number,
  ) {}

  /** Whether no earlier line is needed. */
  get complete(): boolean {
    const first = this.#found[this.#found.length - 1]?.step ?? Infinity;
    return this.#found.length >= this.keep || first <= this.steps - this.keep + 1 || first === 1;
  }

  /**
   * Reads the whole lines of a block that begins at byte `start` of the log. Returns the end of the
   * first newline, since the line before it may begin in an earlier block; 0 for the first block.
   */
  takeBlock(block: Uint8Array, start: number): number {
    let end = block.lastIndexOf(NEWLINE); // the rest is a truncated line
    while (end >= 0 && !this.complete) {
      const before = end === 0 ? -1 : block.lastIndexOf(NEWLINE, end - 1);
      if (before < 0 && start > 0) break;
      this.#take(block.subarray(before + 1, end), start + end + 1);
      end = before;
    }
    return end + 1;
  }

  #take(bytes: Uint8Array, end: number): void {
    const next = this.#found[this.#found.length - 1]?.step ?? this.steps + 1;
    const read = parseLine(bytes);
    if (!read || read.step >= next) return;
    if (this.#found.length === 0) this.#bytes = end;
    this.#found.push(read);
  }

  get read(): MetricsRead {
    const last = this.#found.slice(0, this.keep).reverse();
    const wanted = Math.min(this.keep, this.steps);
    const there = last.filter(({ step }) => step > this.steps - wanted).length;
    return { last, bytes: this.#bytes, lost: wanted - there };
  }
}

function parseLine(bytes: Uint8Array): Metrics | undefined {
  if (bytes.length > MOST_LINE_BYTES) return undefined;
  try {
    return line(parseJson(bytes, METRICS_FILE), METRICS_FILE);
  } catch (error) {
    if (error instanceof MemgradError) return undefined;
    throw error;
  }
}
