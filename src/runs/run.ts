/** A saved run, to evaluate or to sample from. */
import type { Backend } from '../backends/backend.js';
import { MemgradError } from '../errors.js';
import type { SegmentModel } from '../models/index.js';
import type { Task } from '../tasks/index.js';
import { buildModel, buildTask } from './build.js';
import { assignAll, checkSize, readTensors } from './checkpoint.js';
import type { RunConfig } from './config.js';
import { MODEL_FILE, readConfig, readState, wholeCheckpoints } from './files.js';
import type { RunStorage } from './storage.js';

/** A run: its configuration, its model and how far that was trained. */
export interface Run {
  readonly config: RunConfig;
  readonly task: Task;
  readonly model: SegmentModel;
  /** How many steps the model has taken. */
  readonly step: number;
}

/** What `loadRun` may be told. */
export interface LoadOptions {
  backend?: Backend;
  /** The checkpoint with the lowest loss instead of the last one. */
  best?: boolean;
}

/**
 * Loads a run: its model is made anew from its configuration and given the saved parameters. The
 * files may come from anyone: the configuration is checked field by field, the model must not be
 * larger than the file of its parameters, and names, shapes and dtypes must be exactly its own.
 * Throws `MemgradError` otherwise, and then nothing is left behind.
 */
export async function loadRun(
  storage: RunStorage,
  { backend, best = false }: LoadOptions = {},
): Promise<Run> {
  const config = await readConfig(storage);
  const last = wholeCheckpoints(await storage.list()).at(-1);
  if (last === undefined) {
    throw new MemgradError(
      'The run has no checkpoint yet: it was stopped before it was first saved; resume its training.',
    );
  }
  const step = (best && (await readState(storage, last)).best?.step) || last;
  const stored = await readTensors(storage, step, MODEL_FILE);
  checkSize(config, stored);
  const task = buildTask(config);
  const model = buildModel(config, backend);
  try {
    assignAll(model.parameters(), stored);
  } catch (error) {
    model.dispose();
    throw error;
  }
  return { config, task, model, step };
}
