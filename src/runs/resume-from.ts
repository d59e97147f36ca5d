/** The checkpoint that a run continues from, and the errors where it can't. */
import { describe, MemgradError } from '../errors.js';
import type { StoredTensors } from '../training/assign.js';
import { checkSize, readTensors } from './checkpoint.js';
import { lastCheckpoint, METRICS_FILE, MODEL_FILE, readState, wholeCheckpoints } from './files.js';
import { readLog } from './metrics.js';
import type { RunConfig } from './schema.js';
import type { RunStorage } from './storage.js';

/**
 * Reads the parameters of a checkpoint. Throws `MemgradError` unless their number fits `config`.
 */
export async function readModel(
  storage: RunStorage,
  step: number,
  config: RunConfig,
  names: readonly string[],
): Promise<StoredTensors> {
  return advised(names, step, async () => {
    const model = await readTensors(storage, step, MODEL_FILE);
    checkSize(config, model);
    return model;
  });
}

/**
 * Returns the result of `use` for the checkpoint after `step`. If it throws, the message also names
 * an earlier checkpoint.
 */
export async function advised<T>(
  names: readonly string[],
  step: number,
  use: () => Promise<T>,
): Promise<T> {
  try {
    return await use();
  } catch (error) {
    const earlier = wholeCheckpoints(names).findLast((other) => other < step);
    if (error instanceof MemgradError && earlier !== undefined) {
      error.message += ` The run can go on from step ${earlier} instead ('from', --from ${earlier}).`;
    }
    throw error;
  }
}

/** Returns the step of the checkpoint that `from` names; 0 to begin again. */
export async function chosen(
  storage: RunStorage,
  names: readonly string[],
  from: 'best' | number | undefined,
): Promise<number> {
  const whole = wholeCheckpoints(names);
  if (from === undefined) return lastCheckpoint(names) ?? 0;
  const last = whole.at(-1);
  const best = from === 'best' && last ? (await readState(storage, last)).best?.step : undefined;
  const step = from === 'best' ? best : from;
  if (step === 0 || (step !== undefined && whole.includes(step))) return step;
  throw new MemgradError(
    `The run has no checkpoint ${describe(from)}; there are ${whole.map((one) => `${one}, `).join('')}and 0, to begin again.`,
  );
}

/** Throws `MemgradError` when the log has steps of checkpoints, but there is none. */
export async function requireNothingLost(storage: RunStorage, config: RunConfig): Promise<void> {
  const { steps, saveEvery } = config.training;
  const { last } = await readLog(storage, Math.max(steps, saveEvery), 1);
  if (last.length === 0 || last[0].step <= saveEvery) return;
  throw new MemgradError(
    `${METRICS_FILE} has ${last[0].step} steps, but the run has no checkpoint any more; put it back, or begin again from step 0 ('from', --from 0).`,
  );
}
