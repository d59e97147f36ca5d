/** Checkpoints: parameters, moments, what is carried and the trainer's state after one step, whole or not there. */
import { type Parameter, scope, type Tensor, tensor } from '../autograd/index.js';
import { MemgradError } from '../errors.js';
import { readArrays } from '../models/index.js';
import { type Named, namedCarry, restoredCarry, type TrainOptions } from '../training/index.js';
import { leastParameters, RUN_VERSION, type RunConfig } from './config.js';
import {
  CARRIED_FILE,
  checkpointFile,
  MODEL_FILE,
  OPTIMIZER_FILE,
  readState,
  STATE_FILE,
  stepOf,
  type TrainerState,
  wholeCheckpoints,
  writeJson,
} from './files.js';
import { decodeSafetensors, encodeSafetensors, type StoredTensor } from './safetensors.js';
import type { RunStorage } from './storage.js';

/** What is told of a training besides what it holds itself. */
export interface Progress extends Partial<Pick<TrainerState, 'seconds' | 'best'>> {
  /** Steps taken. */
  readonly step: number;
}

/**
 * Saves what `training` has come to beside the checkpoints that are there, and removes all others
 * but the best afterwards. The trainer's state comes last: a checkpoint without it was not finished
 * and counts for nothing. `resumeTraining` goes on from it. Throws `MemgradError` along a stream
 * without `carried`, and what the storage throws.
 */
export async function saveCheckpoint(
  storage: RunStorage,
  training: TrainOptions,
  { step, seconds = 0, best = null }: Progress,
): Promise<void> {
  requireCarried(training);
  const { model, optimizer, carried, schedule, curriculum } = training;
  const save = async (file: string, tensors: Named<Tensor>) => {
    const arrays = Object.entries(await readArrays(tensors));
    const metadata = { format: 'memgrad', version: String(RUN_VERSION), step: String(step) };
    await storage.write(checkpointFile(step, file), encodeSafetensors(new Map(arrays), metadata));
  };
  await save(MODEL_FILE, model.parameters());
  await save(OPTIMIZER_FILE, optimizer.state());
  if (carried) await save(CARRIED_FILE, namedCarry(carried.carry));
  const state: TrainerState = {
    version: RUN_VERSION,
    step,
    seconds,
    optimizerSteps: optimizer.steps,
    schedule: schedule?.state?.() ?? null,
    curriculum: curriculum?.state() ?? null,
    best,
  };
  await writeJson(storage, checkpointFile(step, STATE_FILE), state);

  await removeOthers(storage, state);
}

/** Takes all of `training` but the parameters to where the checkpoint after `step` has it. */
export async function restoreCheckpoint(
  storage: RunStorage,
  training: TrainOptions,
  step: number,
): Promise<TrainerState> {
  const state = await readState(storage, step);
  const { model, optimizer, carried, schedule, curriculum } = training;
  if (!state.schedule !== !schedule?.state?.() || !state.curriculum !== !curriculum) {
    throw new MemgradError(
      `The state after step ${step} has another schedule or curriculum than the run; both must come from the same run.`,
    );
  }
  const moments = optimizer.resume(model.parameters(), state.optimizerSteps);
  assignAll(moments, await readTensors(storage, step, OPTIMIZER_FILE));
  if (carried) {
    const { tensors } = await readTensors(storage, step, CARRIED_FILE);
    carried.keep(restoredCarry(Object.fromEntries(tensors), training));
  }
  if (state.schedule) schedule?.restore?.(state.schedule);
  if (state.curriculum) curriculum?.restore(state.curriculum);
  return state;
}

/**
 * Takes `training` to where its last whole checkpoint in `storage` has it, and removes what a crash
 * left half written. Gives the steps taken, for `stepsTaken`, and the seconds that they took; 0 where
 * there is no checkpoint. Throws `MemgradError` for files of another training; the training is then
 * of no use, the files are as before.
 */
export async function resumeTraining(
  storage: RunStorage,
  training: TrainOptions,
): Promise<Required<Pick<Progress, 'step' | 'seconds'>>> {
  requireCarried(training);
  const step = wholeCheckpoints(await storage.list()).at(-1) ?? 0;
  let seconds = 0;
  if (step > 0) {
    assignAll(training.model.parameters(), await readTensors(storage, step, MODEL_FILE));
    ({ seconds } = await restoreCheckpoint(storage, training, step));
  }
  await removeOthers(storage, { step, best: null });
  return { step, seconds };
}

/** What nobody holds would be missing when training goes on, and nobody would see it. */
function requireCarried({ task, carried }: TrainOptions): void {
  if (!('segment' in task) || carried) return;
  throw new MemgradError(
    `'${task.name}' is a stream, and what it carries from step to step is held by nobody; give the training 'carried: new Carried()'.`,
  );
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
    throw new MemgradError(`${file} ${what}; it must come from the same run.`);
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
