/** The log of a run in training: lines that are not written yet, and where in metrics.jsonl they go. */
import { MemgradError } from '../errors.js';
import type { TrainStep } from '../training/index.js';
import { METRICS_FILE } from './files.js';
import { type MetricsRead, metricsLine, readLog } from './metrics.js';
import type { RunStorage } from './storage.js';

/** Characters of the log that are kept in memory at most. */
const MOST_UNSAVED = 2 ** 20;

/** It may be ahead of the checkpoints, never behind. */
export class RunLog {
  /** The bytes up to the last step that is written. */
  #bytes = 0;
  #unsaved = '';

  /** `notes` gets what the user should know. */
  constructor(
    readonly storage: RunStorage,
    readonly notes: string[],
  ) {}

  /** The last `keep` lines of the first `steps` steps, behind which the log goes on. */
  async read(steps: number, keep: number): Promise<MetricsRead> {
    const read = await readLog(this.storage, steps, keep).catch(adviseWithout);
    this.#bytes = read.bytes;
    return read;
  }

  /** Removes what comes later. Whether the log can be written shows here, not after the first steps. */
  async cut(): Promise<void> {
    await this.storage.append(METRICS_FILE, new Uint8Array(), this.#bytes).catch(adviseWithout);
  }

  /** Takes the line of a step, and writes when there are many. */
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
      this.notes.push(`${METRICS_FILE} was cut while the run trained; earlier lines are lost.`);
    }
    await storage.append(METRICS_FILE, lines, this.#bytes);
    this.#bytes += lines.length;
    this.#unsaved = '';
  }
}

/** Throws `error` about the log with a way to do without it. */
function adviseWithout(error: unknown): never {
  if (error instanceof MemgradError) {
    error.message += ` Without ${METRICS_FILE}, once it is moved away, the run goes on; only the losses in it are lost.`;
  }
  throw error;
}
