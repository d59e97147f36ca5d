/**
 * Checkpoints: parameters, moments, carried state and the trainer's state after a step. A
 * checkpoint is either complete or doesn't count.
 */
import { MemgradError, NotFinite } from '../errors.js';
import { readArrays } from '../models/index.js';
import { check, whole } from '../options.js';
import { decodeSafetensors, encodeSafetensors } from '../safetensors/index.js';
import { assignAll, type StoredTensors } from '../training/assign.js';
import { kindOf } from '../training/check.js';
import { namedCarry, restoredCarry, type TrainOptions } from '../training/index.js';
import { checkTrain } from '../training/train.js';
import { leastParameters } from './config.js';
import {
  CARRIED_FILE,
  checkpointFile,
  lastCheckpoint,
  MODEL_FILE,
  OPTIMIZER_FILE,
  parseState,
  readState,
  STATE_FILE,
  stepOf,
  type TrainerState,
  wholeCheckpoints,
  writeJson,
} from './files.js';
import { limits, RUN_VERSION, type RunConfig } from './schema.js';
import { type RunStorage, requireStorage } from './storage.js';

/** State of a training that `TrainOptions` don't contain. */
export interface Progress extends Partial<Pick<TrainerState, 'seconds' | 'best'>> {
  /** Steps taken. */
  readonly step: number;
}

/**
 * Checkpoint files that this process wrote or recognised as the training's. It removes and replaces
 * no others.
 */
const ownFiles = new WeakMap<RunStorage, Set<string>>();

function ownIn(storage: RunStorage): Set<string> {
  const own = ownFiles.get(storage) ?? new Set();
  ownFiles.set(storage, own);
  return own;
}

/**
 * Saves the state of `training`, then removes earlier checkpoints except the previous one and the
 * best. The trainer's state is written last: a checkpoint without it is incomplete and doesn't
 * count. `resumeTraining` continues from it. Throws `NotFinite` for parameters that are not finite,
 * `MemgradError` for a stream without `carried` and for a foreign file in the way, and any error of
 * the storage.
 */
export async function saveCheckpoint(
  storage: RunStorage,
  training: TrainOptions,
  progress: Progress,
): Promise<void> {
  requireStorage('saveCheckpoint', storage);
  checkTrain(training, 'saveCheckpoint');
  const { step } = progress ?? {};
  check('saveCheckpoint: step', step, whole(1, limits.steps));
  const { seconds = 0, best = null } = progress;
  requireCarried(training);
  const { model, optimizer, carried, schedule, curriculum } = training;
  const state = parseState(
    {
      version: RUN_VERSION,
      step,
      seconds,
      optimizerSteps: optimizer.steps,
      schedule: schedule?.state?.() ?? null,
      curriculum: curriculum?.state() ?? null,
      best,
    },
    'saveCheckpoint',
  );
  const names = await storage.list();
  const claim = (file: string) => {
    const name = checkpointFile(step, file);
    if (!names.includes(name) || ownIn(storage).has(name)) return name;
    throw new MemgradError(
      `'${name}' is in the way of a checkpoint, and this training did not write it; move it elsewhere, then resume.`,
    );
  };
  const save = async (file: string, arrays: Awaited<ReturnType<typeof readArrays>>) => {
    const metadata = { format: 'memgrad', version: String(RUN_VERSION), step: String(step) };
    const bytes = encodeSafetensors(new Map(Object.entries(arrays)), metadata);
    await storage.write(claim(file), bytes);
    ownIn(storage).add(checkpointFile(step, file));
  };
  const parameters = await readArrays(model.parameters());
  const wild = Object.keys(parameters).find(
    (name) => !parameters[name].data.every(Number.isFinite),
  );
  if (wild !== undefined) {
    throw new NotFinite(
      `The parameter '${wild}' is not finite after step ${step}, so no checkpoint was saved. Lower the learning rate or clip gradients.`,
    );
  }
  await save(MODEL_FILE, parameters);
  await save(OPTIMIZER_FILE, await readArrays(optimizer.state()));
  if (carried) await save(CARRIED_FILE, await readArrays(namedCarry(carried.carry)));
  await writeJson(storage, claim(STATE_FILE), state);
  ownIn(storage).add(checkpointFile(step, STATE_FILE));
  await removeOthers(storage, state);
}

/**
 * Restores all of `training` except the parameters from the checkpoint after `step`. With
 * `newSchedule`, a schedule that has no state in the checkpoint starts from its beginning.
 */
export async function restoreCheckpoint(
  storage: RunStorage,
  training: TrainOptions,
  step: number,
  { newSchedule = false } = {},
): Promise<TrainerState> {
  const state = await readState(storage, step);
  const { model, optimizer, carried, schedule, curriculum } = training;
  const otherSchedule = !state.schedule !== !schedule?.state?.();
  if ((otherSchedule && !newSchedule) || !state.curriculum !== !curriculum) {
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
 * Restores `training` from its last whole checkpoint in `storage`, and removes incomplete ones that
 * a crash left. Returns the steps taken, for `stepsTaken`, and their seconds; 0 where there is no
 * checkpoint. Throws `MemgradError` for files of another training; the files are then unchanged,
 * but `training` must not be used.
 */
export async function resumeTraining(
  storage: RunStorage,
  training: TrainOptions,
): Promise<Required<Pick<Progress, 'step' | 'seconds'>>> {
  requireStorage('resumeTraining', storage);
  checkTrain(training, 'resumeTraining');
  requireCarried(training);
  const step = lastCheckpoint(await storage.list()) ?? 0;
  let seconds = 0;
  if (step > 0) {
    assignAll(training.model.parameters(), await readTensors(storage, step, MODEL_FILE));
    ({ seconds } = await restoreCheckpoint(storage, training, step));
  }
  await claimFiles(storage);
  await removeOthers(storage, { step, best: null });
  return { step, seconds };
}

/** Throws for a stream without `carried`: its state would silently be lost on resuming. */
function requireCarried({ task, carried }: TrainOptions): void {
  if (kindOf(task) !== 'segment' || carried) return;
  throw new MemgradError(
    `'${task.name}' is a stream, but the training has nothing to keep its state from step to step; pass it 'carried: new Carried()'.`,
  );
}

/**
 * Registers the checkpoint files that an earlier process of the training left: their metadata names
 * memgrad and the step.
 */
export async function claimFiles(storage: RunStorage): Promise<void> {
  for (const name of await storage.list()) {
    const step = stepOf(name);
    if (step !== undefined && (await isOwn(storage, name, step))) ownIn(storage).add(name);
  }
}

async function isOwn(storage: RunStorage, name: string, step: number): Promise<boolean> {
  if (name.endsWith('.tmp')) return true; // only a write that was not finished leaves such a name
  try {
    if (name.endsWith(STATE_FILE)) return (await readState(storage, step)).step === step;
    await readTensors(storage, step, name.slice(name.indexOf('/') + 1));
    return true;
  } catch (error) {
    if (error instanceof MemgradError) return false;
    throw error;
  }
}

/**
 * Removes the training's own checkpoints, whole or incomplete, except the one after `step`, the
 * last whole one before it, and the best.
 */
export async function removeOthers(
  storage: RunStorage,
  { step, best }: Pick<TrainerState, 'step' | 'best'>,
): Promise<void> {
  const names = await storage.list();
  const before = wholeCheckpoints(names).findLast((whole) => whole < step);
  await removeSteps(storage, names, (other) => ![step, before, best?.step].includes(other));
}

/**
 * Removes the checkpoints after `step`, starting with the last, so the rest is a valid run at any
 * time. Throws `MemgradError`, and removes nothing, where one of them is not the training's own.
 */
export async function removeLater(storage: RunStorage, step: number): Promise<void> {
  const names = await storage.list();
  const later = wholeCheckpoints(names).filter((other) => other > step);
  const strange = later.find((other) => !ownIn(storage).has(checkpointFile(other, STATE_FILE)));
  if (strange !== undefined) {
    throw new MemgradError(
      `'step-${strange}' is later than step ${step}, but is damaged or from another run; move it elsewhere, then resume.`,
    );
  }
  for (const other of later.reverse()) await removeSteps(storage, names, (one) => one === other);
}

async function removeSteps(
  storage: RunStorage,
  names: readonly string[],
  which: (step: number | undefined) => boolean,
): Promise<void> {
  const own = ownIn(storage);
  const old = names.filter((name) => own.has(name) && which(stepOf(name)));
  // The state is removed first: a half-removed checkpoint must not look whole.
  const isState = (name: string) => name.endsWith(STATE_FILE);
  for (const name of [...old.filter(isState), ...old.filter((name) => !isState(name))]) {
    await storage.remove(name);
    own.delete(name);
  }
}

/** Adds the name of the file to messages, since a run has several such files. */
function decodeFile(file: string, bytes: Uint8Array): ReturnType<typeof decodeSafetensors> {
  try {
    return decodeSafetensors(bytes);
  } catch (error) {
    if (error instanceof MemgradError) error.message = `${file}: ${error.message}`;
    throw error;
  }
}

/**
 * Reads a file of the checkpoint after `step`. Throws `MemgradError` unless its metadata says so.
 */
export async function readTensors(
  storage: RunStorage,
  step: number,
  name: string,
): Promise<StoredTensors> {
  const file = checkpointFile(step, name);
  const { tensors, metadata } = decodeFile(file, await storage.read(file));
  if (metadata.format !== 'memgrad' || metadata.version !== String(RUN_VERSION)) {
    throw new MemgradError(
      `${file} is not marked as written by this memgrad (format memgrad, version ${RUN_VERSION}); save the run again with this version.`,
    );
  }
  if (metadata.step !== String(step)) {
    throw new MemgradError(`${file} has no metadata of step ${step}; save the run again.`);
  }
  return { file, tensors };
}

/**
 * Throws `MemgradError` for a model larger than the file: building it must not allocate more than
 * the file really has.
 */
export function checkSize(config: RunConfig, { file, tensors }: StoredTensors): void {
  const least = leastParameters(config);
  let stored = 0;
  for (const { data } of tensors.values()) stored += data.length;
  if (stored < least) {
    throw new MemgradError(
      `config.json describes a model of ${least} parameters or more, but ${file} has ${stored}; both must come from the same run.`,
    );
  }
}
