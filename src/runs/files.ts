/** The files of a run, and the contents of the small ones. */
import { describe, MemgradError, shownPath } from '../errors.js';
import * as options from '../options.js';
import { requireBytes } from '../safetensors/bytes.js';
import { requireName } from './bytes.js';
import { list, object, orDefault, orNull, real, requireOrigin, whole } from './check.js';
import { checkRunConfig } from './config.js';
import { limits, RUN_VERSION, type RunConfig } from './schema.js';
import { type RunStorage, requireStorage } from './storage.js';

/** The configuration of the run. Written once, before the first step. */
export const CONFIG_FILE = 'config.json';
/** The text that a run trains on; runs on other tasks have none. Written before the configuration. */
export const TEXT_FILE = 'text.txt';
/** The tokenizer of the text. */
export const TOKENIZER_FILE = 'tokenizer.json';
/** The log: one line per step. */
export const METRICS_FILE = 'metrics.jsonl';
/** The file of a checkpoint that holds the parameters. Each checkpoint has a folder of its own. */
export const MODEL_FILE = 'model.safetensors';
/** The file of a checkpoint that holds the optimiser's moments. */
export const OPTIMIZER_FILE = 'optimizer.safetensors';
/** The file of a checkpoint that holds the state carried along a stream; other tasks have none. */
export const CARRIED_FILE = 'carried.safetensors';
/** The file of a checkpoint that is written last and makes it whole. */
export const STATE_FILE = 'trainer-state.json';

const MOST_JSON_BYTES = 1_000_000;
/** Files of a run that was killed before it began. */
const unfinished = [CONFIG_FILE, TEXT_FILE, TOKENIZER_FILE].map((name) => `${name}.tmp`);

/** The name of a file of the checkpoint after `step`. */
export function checkpointFile(step: number, file: string): string {
  options.check('checkpointFile: step', step, options.whole(0));
  requireName('checkpointFile', file);
  return `step-${step}/${file}`;
}

const checkpointFiles: readonly string[] = [MODEL_FILE, OPTIMIZER_FILE, CARRIED_FILE, STATE_FILE];

/** The step of a checkpoint's file, even if half written; undefined for any other file. */
export function stepOf(name: string): number | undefined {
  const [, step, file] = /^step-(0|[1-9]\d{0,14})\/(.+?)(?:\.tmp)?$/.exec(name) ?? [];
  return checkpointFiles.includes(file) ? Number(step) : undefined;
}

/**
 * Throws `MemgradError` if a storage with the files `names` holds anything besides what a run leaves
 * that was killed before it began.
 */
export function requireEmpty(storage: string, names: readonly string[]): void {
  const other = names.find((name) => !unfinished.includes(name));
  if (other === undefined) return;
  throw new MemgradError(
    `${storage} holds no run of memgrad, and is not empty: there is ${describe(other)}; choose another or empty it.`,
  );
}

const finite = real(-Number.MAX_VALUE, Infinity);

const trainerState = object({
  version: whole(RUN_VERSION, RUN_VERSION),
  /**
   * Steps taken. With the seed, this determines all random numbers and the position in the data.
   */
  step: whole(1, limits.steps),
  /**
   * Seconds of these steps, without those that a crash undid; counts from 0 for a run saved before
   * this field existed.
   */
  seconds: orDefault(real(0, Number.MAX_VALUE), 0),
  /** Steps of the optimiser: fewer where some were skipped. */
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
  /**
   * The best checkpoint: among those with the longest samples, and of these the shortest segments,
   * the one with the lowest mean loss of recent steps.
   */
  best: orNull(
    object({
      step: whole(1, limits.steps),
      length: whole(1, Number.MAX_SAFE_INTEGER),
      segmentLength: orDefault(whole(1, limits.segmentLength), undefined),
      loss: finite,
    }),
  ),
});

/** The state of a training besides parameters and moments. */
export type TrainerState = ReturnType<typeof trainerState>;

/** Reads config.json. Throws `MemgradError` unless it is valid. */
export async function readConfig(storage: RunStorage): Promise<RunConfig> {
  requireStorage('readConfig', storage);
  return checkRunConfig(await readJson(storage, CONFIG_FILE), CONFIG_FILE);
}

/** Reads the trainer's state after `step`. Throws `MemgradError` unless it is valid. */
export async function readState(storage: RunStorage, step: number): Promise<TrainerState> {
  const name = checkpointFile(step, STATE_FILE);
  const state = parseState(await readJson(storage, name), name);
  if (state.step === step) return state;
  throw new MemgradError(
    `${name} is of step ${state.step}, but step ${step} was expected; copy the folder again.`,
  );
}

/**
 * Checks the contents of trainer-state.json; `origin` begins each message. Throws `MemgradError`.
 */
export function parseState(value: unknown, origin = STATE_FILE): TrainerState {
  requireOrigin('parseState', origin);
  return trainerState(value, `${origin}:`);
}

/**
 * Writes `value` as indented JSON. Throws `MemgradError` for a value that JSON cannot represent.
 */
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
    cause = error; // a bigint, or a circular reference
  }
  throw new MemgradError(
    `writeJson: ${describe(name)} cannot hold ${describe(value)}, which JSON cannot represent; pass objects, lists, strings and numbers.`,
    { cause },
  );
}

/** Reads a JSON file of at most `most` bytes. Throws `MemgradError` unless it is valid JSON. */
export async function readJson(
  storage: RunStorage,
  name: string,
  most = MOST_JSON_BYTES,
): Promise<unknown> {
  return parseJson(await storage.read(name, most), name);
}

/** Parses a JSON file. Throws `MemgradError` unless it is valid JSON in UTF-8. */
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

/** The steps of all whole checkpoints, in order. */
export function wholeCheckpoints(names: readonly string[]): number[] {
  return names
    .filter((name) => name.endsWith(`/${STATE_FILE}`))
    .flatMap((name) => stepOf(name) ?? [])
    .sort((a, b) => a - b);
}

/**
 * Lists the files of a run. A training beside it may remove the checkpoint that a listing has found
 * before its files are listed, so a listing without any whole checkpoint is repeated a few times.
 */
export async function listRun(storage: RunStorage): Promise<string[]> {
  for (let left = 10; ; left--) {
    const names = await storage.list();
    if (left === 0 || lastCheckpoint(names) !== undefined) return names;
  }
}

/**
 * The step of the last whole checkpoint; undefined where there is none. Throws `MemgradError` where
 * a later one exists by name but cannot be read.
 */
export function lastCheckpoint(names: readonly string[]): number | undefined {
  const last = wholeCheckpoints(names).at(-1);
  const lost = names.find((name) => Number(/^step-(\d{1,15})$/.exec(name)?.[1]) > (last ?? 0));
  if (lost === undefined) return last;
  throw new MemgradError(
    `'${lost}' of the run is a file or a link that leads nowhere, not the folder of a checkpoint; put the checkpoint back, or remove '${lost}'.`,
  );
}
