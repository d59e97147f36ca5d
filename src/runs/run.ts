/** Loads a saved run, to evaluate or to sample from. */
import type { Backend } from '../backends/backend.js';
import { MemgradError } from '../errors.js';
import type { SegmentModel } from '../models/index.js';
import { backendKind, checkOptions, flag, type OptionNames } from '../options.js';
import type { SavableTokenizer, Task } from '../tasks/index.js';
import { assignAll, type StoredTensors } from '../training/assign.js';
import { buildModel, buildTask } from './build.js';
import { checkSize, readTensors } from './checkpoint.js';
import type { RunConfig } from './config.js';
import {
  checkpointFile,
  lastCheckpoint,
  listRun,
  MODEL_FILE,
  readConfig,
  readState,
  STATE_FILE,
  wholeCheckpoints,
} from './files.js';
import { type RunStorage, requireStorage } from './storage.js';
import { readText, readTokenizer } from './text.js';

/** A run: its configuration, its model and the number of steps that trained it. */
export interface Run {
  readonly config: RunConfig;
  /** A `TextTask` if the run is on a text. */
  readonly task: Task;
  readonly model: SegmentModel;
  /** Number of steps that the model was trained. */
  readonly step: number;
}

/** Options of `loadRun` and `loadModel`. */
export interface LoadOptions {
  backend?: Backend;
  /** Loads the checkpoint with the lowest loss instead of the last one. */
  best?: boolean;
}

const loadOptions: OptionNames<LoadOptions> = { backend: backendKind, best: flag };

/**
 * Loads a run: builds its model from its configuration and assigns the saved parameters. The files
 * may come from anyone: the configuration is checked field by field, the model must not be larger
 * than the file of its parameters, and names, shapes and dtypes must match exactly. Throws
 * `MemgradError` otherwise, and then frees everything.
 */
export function loadRun(storage: RunStorage, options?: LoadOptions): Promise<Run> {
  return loadWith('loadRun', storage, options, async (config) => ({
    task: buildTask(config, await readText(storage, config)),
  }));
}

/** The model of a run. */
export interface RunModel extends Omit<Run, 'task'> {
  /** The tokenizer of a run on a text; undefined for other tasks. */
  readonly tokenizer?: SavableTokenizer;
}

/**
 * Loads the model of a run like `loadRun`, to sample from. A text that it was trained on is not
 * read, and may be missing: only the tokenizer is.
 */
export function loadModel(storage: RunStorage, options?: LoadOptions): Promise<RunModel> {
  return loadWith('loadModel', storage, options, async (config) => ({
    tokenizer: await readTokenizer(storage, config),
  }));
}

async function loadWith<T>(
  where: string,
  storage: RunStorage,
  options: LoadOptions = {},
  read: (config: RunConfig) => Promise<T>,
): Promise<Omit<Run, 'task'> & T> {
  requireStorage(where, storage);
  checkOptions(where, options, loadOptions);
  const { backend } = options;
  const config = await readConfig(storage);
  const { step, stored } = await readModel(storage, options);
  checkSize(config, stored);
  const rest = await read(config);
  const model = buildModel(config, backend);
  try {
    assignAll(model.parameters(), stored);
  } catch (error) {
    model.dispose();
    throw error;
  }
  return { config, model, step, ...rest };
}

/**
 * The parameters of the chosen checkpoint. If a training removes it meanwhile, reads a newer one.
 */
async function readModel(
  storage: RunStorage,
  { best = false }: LoadOptions,
): Promise<{ step: number; stored: StoredTensors }> {
  for (;;) {
    const there = await listRun(storage);
    const last = lastCheckpoint(there);
    if (last === undefined) {
      throw new MemgradError(
        'The run has no checkpoint yet: it was stopped before it was first saved; resume its training.',
      );
    }
    let step = last;
    try {
      const judged = best ? (await readState(storage, last)).best?.step : undefined;
      if (judged && wholeCheckpoints(there).includes(judged)) step = judged;
      return { step, stored: await readTensors(storage, step, MODEL_FILE) };
    } catch (error) {
      const names = await storage.list();
      if (names.includes(checkpointFile(step, STATE_FILE)) || lastCheckpoint(names) === last) {
        throw error; // it exists, but cannot be read
      }
    }
  }
}
