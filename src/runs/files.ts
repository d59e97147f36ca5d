/** The files of a run, and what is in the small ones. */
import { describe, MemgradError, shownPath } from '../errors.js';
import * as options from '../options.js';
import { requireBytes } from '../safetensors/bytes.js';
import { requireName } from './bytes.js';
import { list, object, orDefault, orNull, real, requireOrigin, whole } from './check.js';
import { checkRunConfig, limits, RUN_VERSION, type RunConfig } from './config.js';
import { type RunStorage, requireStorage } from './storage.js';

/** What made the run. Written once, before the first step. */
export const CONFIG_FILE = 'config.json';
/** One line to a step. */
export const METRICS_FILE = 'metrics.jsonl';
/** The files of a checkpoint, in a folder of its own. The last one is written last: with it the checkpoint is whole. */
export const MODEL_FILE = 'model.safetensors';
/** The file of a checkpoint that holds the optimiser's moments. */
export const OPTIMIZER_FILE = 'optimizer.safetensors';
/** The file of a checkpoint that holds what is carried along a stream; there is none for other tasks. */
export const CARRIED_FILE = 'carried.safetensors';
/** The file of a checkpoint that is written last: with it the checkpoint is whole. */
export const STATE_FILE = 'trainer-state.json';

const MOST_JSON_BYTES = 1_000_000;

/** The name of a file of the checkpoint after `step`. */
export function checkpointFile(step: number, file: string): string {
  options.check('checkpointFile: step', step, options.whole(0));
  requireName('checkpointFile', file);
  return `step-${step}/${file}`;
}

const checkpointFiles: readonly string[] = [MODEL_FILE, OPTIMIZER_FILE, CARRIED_FILE, STATE_FILE];

/** The step of a checkpoint's file, also of one half written; undefined for any other file. */
export function stepOf(name: string): number | undefined {
  const [, step, file] = /^step-(0|[1-9]\d{0,14})\/(.+?)(?:\.tmp)?$/.exec(name) ?? [];
  return checkpointFiles.includes(file) ? Number(step) : undefined;
}

/** Throws `MemgradError` unless `names`, all that is in `place`, are what a run may leave that was killed before it began. */
export function requireEmpty(place: string, names: readonly string[]): void {
  const other = names.find((name) => name !== `${CONFIG_FILE}.tmp`);
  if (other === undefined) return;
  throw new MemgradError(
    `${place} holds no run of memgrad, and is not empty: there is ${describe(other)}; choose another place, or empty it.`,
  );
}

const finite = real(-Number.MAX_VALUE, Infinity);

const trainerState = object({
  version: whole(RUN_VERSION, RUN_VERSION),
  /** Steps taken. With the seed this is the state of all random numbers, and the place in the data. */
  step: whole(1, limits.steps),
  /** What the steps took, without those that a crash undid; runs from before this was noted count from 0. */
  seconds: orDefault(real(0, Number.MAX_VALUE), 0),
  /** Steps that the optimiser took: fewer where some were skipped. */
  optimizerSteps: whole(0, limits.steps),
  schedule: orNull(
    object({
      factor: real(0, 1, { open: true }),
      average: orNull(finite),
      best: orNull(finite),
      waited: whole(0, limits.steps),
    }),
  ),
  curriculum: orNull(
    object({
      length: whole(1, limits.length),
      cutsLeft: orDefault(whole(0, limits.segmentLength), 0),
      recent: list(real(0, 1.1)),
    }),
  ),
  /** The checkpoint with the lowest mean loss over ten steps among those with the longest samples, of these with the shortest segments. */
  best: orNull(
    object({
      step: whole(1, limits.steps),
      length: whole(1, Number.MAX_SAFE_INTEGER),
      segmentLength: orDefault(whole(1, limits.segmentLength), undefined),
      loss: finite,
    }),
  ),
});

/** What training knows beside parameters and moments. */
export type TrainerState = ReturnType<typeof trainerState>;

/** Reads config.json. Throws `MemgradError` for anything that no run has. */
export async function readConfig(storage: RunStorage): Promise<RunConfig> {
  requireStorage('readConfig', storage);
  return checkRunConfig(await readJson(storage, CONFIG_FILE), CONFIG_FILE);
}

/** Reads the trainer's state after `step`. Throws `MemgradError` for anything that no run has. */
export async function readState(storage: RunStorage, step: number): Promise<TrainerState> {
  const name = checkpointFile(step, STATE_FILE);
  const state = parseState(await readJson(storage, name), name);
  if (state.step === step) return state;
  throw new MemgradError(
    `${name} is of step ${state.step}, but step ${step} was expected; copy the folder again.`,
  );
}

/** Checks what trainer-state.json holds; `origin` stands at the start of each message. */
export function parseState(value: unknown, origin = STATE_FILE): TrainerState {
  requireOrigin('parseState', origin);
  return trainerState(value, `${origin}:`);
}

/** Writes `value` as JSON for people and programs. */
export async function writeJson(storage: RunStorage, name: string, value: unknown): Promise<void> {
  requireStorage('writeJson', storage);
  await storage.write(name, new TextEncoder().encode(`${asJson(name, value)}\n`));
}

function asJson(name: string, value: unknown): string {
  let cause: unknown;
  try {
    const text = JSON.stringify(value, null, 2);
    if (text !== undefined) return text;
  } catch (error) {
    cause = error; // a bigint, or an object that holds itself
  }
  throw new MemgradError(
    `writeJson: ${describe(name)} cannot hold ${describe(value)}, which JSON has no words for; pass objects, lists, texts and numbers.`,
    { cause },
  );
}

async function readJson(storage: RunStorage, name: string): Promise<unknown> {
  return parseJson(await storage.read(name, MOST_JSON_BYTES), name);
}

/** The value of a JSON file. Throws `MemgradError` for what is none. */
export function parseJson(bytes: Uint8Array, name = 'the file'): unknown {
  requireOrigin('parseJson', name);
  requireBytes(name, bytes);
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new MemgradError(
      `${shownPath(name)} is not valid JSON in UTF-8, but it must be; check that it was copied whole.`,
      { cause },
    );
  }
}

/** The steps after which there is a whole checkpoint, in order. */
export function wholeCheckpoints(names: readonly string[]): number[] {
  return names
    .filter((name) => name.endsWith(`/${STATE_FILE}`))
    .flatMap((name) => stepOf(name) ?? [])
    .sort((a, b) => a - b);
}

/**
 * The step of the last whole checkpoint; undefined where there is none. Throws `MemgradError` where
 * a later one would be, but cannot be read.
 */
export function lastCheckpoint(names: readonly string[]): number | undefined {
  const last = wholeCheckpoints(names).at(-1);
  const lost = names.find((name) => Number(/^step-(\d{1,15})$/.exec(name)?.[1]) > (last ?? 0));
  if (lost === undefined) return last;
  throw new MemgradError(
    `'${lost}' of the run is a file or a link that leads nowhere, not the folder of a checkpoint; put the checkpoint back, or remove '${lost}'.`,
  );
}
