/**
 * The log of a run in training: lines that are not written yet, and their position in
 * metrics.jsonl.
 */
import { MemgradError } from '../errors.js';
import type { TrainStep } from '../training/index.js';
import { METRICS_FILE } from './files.js';
import { type MetricsRead, metricsLine, readLog } from './metrics.js';
import type { RunStorage } from './storage.js';

/** At most this many characters of the log are kept in memory. */
const MOST_UNSAVED = 2 ** 20;

/** The log of a run. It may be ahead of the checkpoints, never behind. */
export class RunLog {
  /** The length of the log up to the last written step. */
  #bytes = 0;
  #unsaved = '';

  /** Appends sentences for the user to `notes`. */
  constructor(
    readonly storage: RunStorage,
    readonly notes: string[],
  ) {}

  /** Reads the last `keep` lines of the first `steps` steps; the log continues after them. */
  async read(steps: number, keep: number): Promise<MetricsRead> {
    const read = await readLog(this.storage, steps, keep).catch(adviseWithout);
    this.#bytes = read.bytes;
    return read;
  }

  /**
   * Removes later lines. A log that cannot be written to throws here, not after the first steps.
   */
  async cut(): Promise<void> {
    await this.storage.append(METRICS_FILE, new Uint8Array(), this.#bytes).catch(adviseWithout);
  }

  /** Adds the line of a step, and writes when there are many. */
  async add(step: TrainStep): Promise<void> {
    this.#unsaved += metricsLine(step);
    if (this.#unsaved.length > MOST_UNSAVED) await this.write(step.step);
  }

  /** Writes the lines up to `step` that are not in the log yet. */
  async write(step: number): Promise<void> {
    const { storage } = this;
    const lines = new TextEncoder().encode(this.#unsaved);
    const there = (await storage.list()).includes(METRICS_FILE);
    const size = (there ? await storage.size?.(METRICS_FILE) : 0) ?? Infinity;
    if (size < this.#bytes) {
      this.#bytes = (await readLog(storage, step, 1)).bytes;
      this.notes.push(
        `${METRICS_FILE} was truncated while the run trained; earlier lines are lost.`,
      );
    }
    await storage.append(METRICS_FILE, lines, this.#bytes);
    this.#bytes += lines.length;
    this.#unsaved = '';
  }
}

/** Throws `error` about the log, with advice how to continue without it. */
function adviseWithout(error: unknown): never {
  if (error instanceof MemgradError) {
    error.message += ` To go on without ${METRICS_FILE}, move it away; only the losses in it are lost.`;
  }
  throw error;
}
