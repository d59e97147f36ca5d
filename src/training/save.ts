/** Saves and loads one model as one file, with the state of its training if wanted. */
import { identity, type Parameter } from '../autograd/index.js';
import { describe, MemgradError } from '../errors.js';
import { readArrays } from '../models/arrays.js';
import { check, checkOptions, having, type Kind, whole } from '../options.js';
import type { OwnBytes } from '../safetensors/bytes.js';
import { decodeSafetensors, encodeSafetensors } from '../safetensors/index.js';
import { assignAll } from './assign.js';
import type { Named, Optimizer } from './optimizers/optimizer.js';
import { type ParameterSource, type ParametersOf, parametersOf } from './parameters.js';

/** What a file holds besides parameters. */
export interface SaveOptions {
  /** Saves its moments and its number of steps. */
  optimizer?: Optimizer;
  /** The number of the last step, for `stepsTaken`. */
  step?: number;
  /**
   * Anything that JSON can represent: the configuration of the model, the words of a tokenizer, the
   * state of a schedule.
   */
  data?: unknown;
}

/** Options of `load`. */
export interface RestoreOptions {
  /** Continues where the saved one was. Default: moments in the file are ignored. */
  optimizer?: Optimizer;
}

/** What a file held besides parameters and moments. */
export interface Restored {
  /** The number of the last step; undefined if it wasn't saved. */
  readonly step: number | undefined;
  /** What was passed to `save` as `data`, read from JSON; undefined if nothing was. */
  readonly data: unknown;
}

const optimizerKind: Kind = having('resume', 'an optimiser, as new AdamW()');
/** In front of the names of moments. */
const MOMENTS = 'optimizer.';

/**
 * Returns a safetensors file of the parameters of `model` by their names, and of what `options`
 * add to it. The same values make the same bytes. Throws `MemgradError` for options that can't be
 * saved.
 *
 * @example
 * ```js
 * import { Parameter, tensor } from 'memgrad';
 * import { load, save } from 'memgrad/training';
 *
 * const bytes = await save({ w: new Parameter(tensor([1, 2])) }, { step: 7, data: { name: 'w' } });
 * const w = new Parameter(tensor([0, 0]));
 * console.log(load({ w }, bytes), await w.array()); // => { step: 7, data: { name: 'w' } } [ 1, 2 ]
 * ```
 */
export async function save<P extends ParametersOf<P>>(
  model: ParameterSource<P>,
  options: SaveOptions = {},
): Promise<OwnBytes> {
  const parameters = parametersOf('save', model);
  checkOptions('save', options, { optimizer: optimizerKind, step: whole(0), data: 1 });
  const { optimizer, step, data } = options;
  const clash = optimizer && Object.keys(parameters).find((name) => name.startsWith(MOMENTS));
  if (clash !== undefined) {
    throw new MemgradError(
      `save: the parameter ${describe(clash)} has the name of a moment; rename it, or save the optimiser in a file of its own.`,
    );
  }
  const metadata = {
    format: 'memgrad',
    ...(step !== undefined && { step: String(step) }),
    ...(optimizer && { optimizerSteps: String(optimizer.steps) }),
    ...(data !== undefined && { data: asJson(data) }),
  };
  const arrays = await readArrays({ ...parameters, ...(optimizer && named(optimizer.state())) });
  return encodeSafetensors(new Map(Object.entries(arrays)), metadata);
}

/**
 * Assigns the parameters in a file of `save`, or in any safetensors file with the same names, to
 * `model`, and continues `optimizer` if there is one. Throws `MemgradError` for anything else: bytes
 * that aren't such a file, missing or additional names, other shapes or dtypes, a file without the
 * state of an optimiser. The model and the optimiser are then unchanged.
 */
export function load<P extends ParametersOf<P>>(
  model: ParameterSource<P>,
  bytes: Uint8Array,
  options: RestoreOptions = {},
): Restored {
  const parameters = parametersOf('load', model);
  checkOptions('load', options, { optimizer: optimizerKind });
  const { optimizer } = options;
  const { tensors, metadata } = decodeSafetensors(bytes);
  const step = wholeOf('step', metadata.step);
  const steps = wholeOf('optimizerSteps', metadata.optimizerSteps);
  const data = metadata.data === undefined ? undefined : fromJson(metadata.data);
  if (!optimizer) {
    for (const name of Object.keys(parameters)) tensors.get(name); // throws where it couldn't be read
    const isOwn = (name: string) => steps === undefined || !name.startsWith(MOMENTS);
    const own = new Map([...tensors].filter(([name]) => isOwn(name)));
    assignAll(parameters, { file: FILE, tensors: own }, 'model');
    return { step, data };
  }
  if (steps === undefined) {
    throw new MemgradError(
      `${FILE} has no state of an optimiser; load it without one, or save it with { optimizer }.`,
    );
  }
  const before = optimizer.steps;
  const kept = Object.entries(optimizer.state()).map(
    ([name, moment]) => [name, identity(moment)] as const,
  );
  try {
    const moments = named(optimizer.resume(parameters, steps));
    const advice = 'load it into the same model and a new optimiser of the same kind and options';
    assignAll(
      { ...parameters, ...moments },
      { file: FILE, tensors },
      'model and optimiser',
      advice,
    );
  } catch (error) {
    const moments = optimizer.resume(parameters, before);
    for (const [name, value] of kept) moments[name]?.assign(value);
    throw error;
  } finally {
    for (const [, value] of kept) value.dispose();
  }
  return { step, data };
}

const FILE = 'load: the file';

function named(moments: Named<Parameter>): Record<string, Parameter> {
  return Object.fromEntries(
    Object.entries(moments).map(([name, moment]) => [`${MOMENTS}${name}`, moment]),
  );
}

function asJson(data: unknown): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(data);
  } catch {
    // A bigint, a circular reference or a tensor.
  }
  if (text !== undefined) return text;
  throw new MemgradError(
    `save: data is ${describe(data)}, which JSON can't represent; pass objects, lists, strings and numbers.`,
  );
}

function fromJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new MemgradError(`${FILE} has data that isn't JSON; save it again.`);
  }
}

function wholeOf(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const number = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  check(`load: ${name} in the metadata of the file`, number, whole(0));
  return number;
}
