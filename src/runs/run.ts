/** Runs: a trained model together with everything that made it, to save and to load. */
import { scope, type Tensor, tensor } from '../autograd/index.js';
import type { Backend } from '../backends/backend.js';
import { MemgradError } from '../errors.js';
import { readArrays, type SegmentModel } from '../models/index.js';
import type { Task } from '../tasks/index.js';
import { buildModel, buildTask } from './build.js';
import { checkRunConfig, leastParameters, type RunConfig } from './config.js';
import { decodeSafetensors, encodeSafetensors, type StoredTensor } from './safetensors.js';
import type { RunStorage } from './storage.js';

/** The file of a run that holds its `RunConfig`, as JSON. */
export const CONFIG_FILE = 'config.json';
/** The file of a run that holds the parameters of its model. */
export const MODEL_FILE = 'model.safetensors';

const MODEL_FORMAT = { format: 'memgrad', version: '1' };
const MOST_CONFIG_BYTES = 1_000_000;

/** A run: its configuration, its model and how far that was trained. */
export interface Run {
  readonly config: RunConfig;
  readonly model: SegmentModel;
  /** How many steps the model has taken; fewer than configured when training ended early. */
  readonly step: number;
}

/** Saves a run: config.json, and the parameters by their names in model.safetensors. */
export async function saveRun(storage: RunStorage, { config, model, step }: Run): Promise<void> {
  checkRunConfig(config, 'saveRun'); // what is written can be read
  const tensors = Object.entries(await readArrays(model.parameters()));
  const metadata = { ...MODEL_FORMAT, step: String(step) };
  await storage.write(MODEL_FILE, encodeSafetensors(new Map(tensors), metadata));
  const text = `${JSON.stringify(config, null, 2)}\n`;
  await storage.write(CONFIG_FILE, new TextEncoder().encode(text));
}

/**
 * Loads a run: its model is made anew from its configuration and given the saved parameters. The
 * files may come from anyone: the configuration is checked field by field, the model must not be
 * larger than the file of its parameters, and names, shapes and dtypes must be exactly its own.
 * Throws `MemgradError` otherwise, and then nothing is left behind.
 */
export async function loadRun(
  storage: RunStorage,
  { backend }: { backend?: Backend } = {},
): Promise<Run & { readonly task: Task }> {
  const config = parseConfig(await storage.read(CONFIG_FILE));
  const { tensors, metadata } = decodeSafetensors(await storage.read(MODEL_FILE));
  const step = checkMetadata(metadata);
  checkSize(config, tensors);

  const task = buildTask(config);
  const model = buildModel(config, backend);
  try {
    assignAll(model, tensors, backend);
  } catch (error) {
    model.dispose();
    throw error;
  }
  return { config, model, task, step };
}

function parseConfig(bytes: Uint8Array): RunConfig {
  if (bytes.length > MOST_CONFIG_BYTES) {
    throw new MemgradError(
      `${CONFIG_FILE} has ${bytes.length} bytes, but at most ${MOST_CONFIG_BYTES} are allowed; check that it is the configuration of a run.`,
    );
  }
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new MemgradError(
      `${CONFIG_FILE} is not valid JSON in UTF-8, but it must be; check that it was copied whole.`,
      { cause },
    );
  }
  return checkRunConfig(value, CONFIG_FILE);
}

function checkMetadata({ format, version, step }: Record<string, string>): number {
  if (format !== MODEL_FORMAT.format || version !== MODEL_FORMAT.version) {
    throw new MemgradError(
      `${MODEL_FILE} is not marked as parameters that this memgrad wrote (format ${MODEL_FORMAT.format}, version ${MODEL_FORMAT.version}); save the run again with this version.`,
    );
  }
  if (!/^\d{1,15}$/.test(step ?? '')) {
    throw new MemgradError(
      `${MODEL_FILE} does not say in its metadata after which step it was saved; save the run again.`,
    );
  }
  return Number(step);
}

/** Bounds what building the model allocates by what is really in the file. */
function checkSize(config: RunConfig, tensors: ReadonlyMap<string, StoredTensor>): void {
  const least = leastParameters(config);
  let stored = 0;
  for (const { data } of tensors.values()) stored += data.length;
  if (stored < least) {
    throw new MemgradError(
      `${CONFIG_FILE} describes a model of ${least} parameters or more, but ${MODEL_FILE} holds ${stored}; both must come from the same run.`,
    );
  }
}

/** Checks all tensors, then gives them to the parameters of the model. */
function assignAll(
  model: SegmentModel,
  tensors: ReadonlyMap<string, StoredTensor>,
  backend: Backend | undefined,
): void {
  const parameters = model.parameters();
  const refuse = (what: string): never => {
    throw new MemgradError(
      `${MODEL_FILE} ${what}; it must come from the same run as ${CONFIG_FILE}.`,
    );
  };
  for (const name of tensors.keys()) {
    if (!Object.hasOwn(parameters, name)) {
      refuse(`has a tensor ${JSON.stringify(name).slice(0, 80)} that the model does not have`);
    }
  }
  for (const [name, { shape, dtype }] of Object.entries(parameters)) {
    const found = tensors.get(name);
    if (!found) refuse(`lacks the tensor '${name}' of the model`);
    else if (show(found) !== show({ shape, dtype })) {
      refuse(`has '${name}' as ${show(found)}, but the model needs ${show({ shape, dtype })}`);
    }
  }
  scope(() => {
    const values = Object.keys(parameters).map((name): [string, Tensor] => {
      const { data, shape } = tensors.get(name) as StoredTensor;
      return [name, tensor(data, { shape, backend })];
    });
    for (const [name, value] of values) parameters[name].assign(value);
  });
}

function show({ dtype, shape }: { dtype: string; shape: readonly number[] }): string {
  return `${dtype} [${shape.join(', ')}]`.slice(0, 80);
}
