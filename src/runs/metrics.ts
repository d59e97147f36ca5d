/** metrics.jsonl: one JSON object to a step. */
import { MemgradError } from '../errors.js';
import type { TrainStep } from '../training/index.js';
import { dictionary, list, object, orDefault, orNull, real, text, whole } from './check.js';
import { limits } from './config.js';
import { METRICS_FILE, parseJson } from './files.js';

const MOST_LINE_BYTES = 1_000_000;
const NEWLINE = 10;

/** A number, or null for one that was not finite: JSON has no other word for it. */
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

/** A line of metrics.jsonl: a step, with null for numbers that were not finite. */
export type Metrics = ReturnType<typeof line>;

/** The line of a step. */
export function metricsLine(step: TrainStep): string {
  return `${JSON.stringify(step)}\n`;
}

/** The lines of steps 1 to `steps`. */
export interface MetricsRead {
  /** The last `keep` of them. */
  readonly last: readonly Metrics[];
  /** How many bytes they have together; what follows is of steps that were not saved. */
  readonly bytes: number;
}

/**
 * Reads the lines of steps 1 to `steps` and checks each; what stands behind them is not looked at,
 * since a run that was killed may have left half a line. Throws `MemgradError` where one is missing or wrong.
 */
export function readMetrics(bytes: Uint8Array, steps: number, keep: number): MetricsRead {
  const last: Metrics[] = [];
  let start = 0;
  for (let step = 1; step <= steps; step++) {
    const end = bytes.indexOf(NEWLINE, start);
    const origin = `${METRICS_FILE}, line ${step}`;
    if (end < 0) {
      throw new MemgradError(
        `${METRICS_FILE} ends after ${step - 1} of ${steps} steps, but the run has taken them all; copy the folder again.`,
      );
    }
    if (end - start > MOST_LINE_BYTES) {
      throw new MemgradError(
        `${origin} has ${end - start} bytes, but at most ${MOST_LINE_BYTES} are allowed; check that it is the metrics of a run.`,
      );
    }
    const read = line(parseJson(bytes.subarray(start, end), origin), `${origin}:`);
    if (read.step !== step) {
      throw new MemgradError(
        `${origin} is of step ${read.step}, but step ${step} was expected; copy the folder again.`,
      );
    }
    last.push(read);
    if (last.length > keep) last.shift();
    start = end + 1;
  }
  return { last, bytes: start };
}
