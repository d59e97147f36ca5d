/** Checkpoints: parameters, moments and the trainer's state after one step, whole or not there. */
import { type Parameter, scope, type Tensor, tensor } from '../autograd/index.js';
import { MemgradError } from '../errors.js';
import { readArrays, type SegmentModel } from '../models/index.js';
import type { Named, Optimizer } from '../training/index.js';
import { leastParameters, RUN_VERSION, type RunConfig } from './config.js';
import {
  checkpointFile,
  MODEL_FILE,
  OPTIMIZER_FILE,
  STATE_FILE,
  stepOf,
  type TrainerState,
  writeJson,
} from './files.js';
import { decodeSafetensors, encodeSafetensors, type StoredTensor } from './safetensors.js';
import type { RunStorage } from './storage.js';

/** What a checkpoint is made of. */
export interface Checkpoint {
  readonly model: SegmentModel;
  readonly optimizer: Optimizer;
  readonly state: TrainerState;
}

/**
 * Saves a checkpoint beside those that are there, and removes all others but the best afterwards.
 * The trainer's state comes last: a checkpoint without it was not finished and counts for nothing.
 */
export async function saveCheckpoint(
  storage: RunStorage,
  { model, optimizer, state }: Checkpoint,
): Promise<void> {
  const { step } = state;
  const save = async (file: string, tensors: Named<Tensor>) => {
    const arrays = Object.entries(await readArrays(tensors));
    const metadata = { format: 'memgrad', version: String(RUN_VERSION), step: String(step) };
    await storage.write(checkpointFile(step, file), encodeSafetensors(new Map(arrays), metadata));
  };
  await save(MODEL_FILE, model.parameters());
  await save(OPTIMIZER_FILE, optimizer.state());
  await writeJson(storage, checkpointFile(step, STATE_FILE), state);

  await removeOthers(storage, state);
}

/** Removes all checkpoints but those that `state` names, whole or half written. */
export async function removeOthers(
  storage: RunStorage,
  { step, best }: Pick<TrainerState, 'step' | 'best'>,
): Promise<void> {
  const old = (await storage.list()).filter((name) => {
    const other = stepOf(name);
    return other !== undefined && other !== step && other !== best?.step;
  });
  // Without its state first: one that is half removed must not look whole.
  const isState = (name: string) => name.endsWith(STATE_FILE);
  for (const name of [...old.filter(isState), ...old.filter((name) => !isState(name))]) {
    await storage.remove(name);
  }
}

/** Tensors of a file that is not to be trusted. */
export interface StoredTensors {
  /** For messages. */
  readonly file: string;
  readonly tensors: ReadonlyMap<string, StoredTensor>;
}

/** Reads a file of the checkpoint after `step`. Throws `MemgradError` unless it is marked as one. */
export async function readTensors(
  storage: RunStorage,
  step: number,
  name: string,
): Promise<StoredTensors> {
  const file = checkpointFile(step, name);
  const { tensors, metadata } = decodeSafetensors(await storage.read(file));
  if (metadata.format !== 'memgrad' || metadata.version !== String(RUN_VERSION)) {
    throw new MemgradError(
      `${file} is not marked as written by this memgrad (format memgrad, version ${RUN_VERSION}); save the run again with this version.`,
    );
  }
  if (metadata.step !== String(step)) {
    throw new MemgradError(
      `${file} does not say in its metadata that it is of step ${step}; save the run again.`,
    );
  }
  return { file, tensors };
}

/** Bounds what building the model allocates by what is really in the file. */
export function checkSize(config: RunConfig, { file, tensors }: StoredTensors): void {
  const least = leastParameters(config);
  let stored = 0;
  for (const { data } of tensors.values()) stored += data.length;
  if (stored < least) {
    throw new MemgradError(
      `config.json describes a model of ${least} parameters or more, but ${file} holds ${stored}; both must come from the same run.`,
    );
  }
}

/** Checks that the stored tensors are exactly `targets` by name, shape and dtype, then gives them their values. */
export function assignAll(targets: Named<Parameter>, { file, tensors }: StoredTensors): void {
  const refuse = (what: string): never => {
    throw new MemgradError(`${file} ${what}; it must come from the same run as config.json.`);
  };
  for (const name of tensors.keys()) {
    if (!Object.hasOwn(targets, name)) {
      refuse(`has a tensor ${JSON.stringify(name).slice(0, 80)} that the run does not have`);
    }
  }
  for (const [name, { shape, dtype }] of Object.entries(targets)) {
    const found = tensors.get(name);
    if (!found) refuse(`lacks the tensor '${name}' of the run`);
    else if (show(found) !== show({ shape, dtype })) {
      refuse(`has '${name}' as ${show(found)}, but the run needs ${show({ shape, dtype })}`);
    }
  }
  scope(() => {
    const values = Object.entries(targets).map(([name, { backend }]): [string, Tensor] => {
      const { data, shape } = tensors.get(name) as StoredTensor;
      return [name, tensor(data, { shape, backend })];
    });
    for (const [name, value] of values) targets[name].assign(value);
  });
}

function show({ dtype, shape }: { dtype: string; shape: readonly number[] }): string {
  return `${dtype} [${shape.join(', ')}]`.slice(0, 80);
}
