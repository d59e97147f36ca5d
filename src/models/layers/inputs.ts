/** Checks of a model's inputs. */
import { type Key, Tensor } from '../../autograd/index.js';
import { isKey } from '../../autograd/random.js';
import { describe, MemgradError } from '../../errors.js';
import { check } from '../../options.js';
import type { ModelConfig } from '../config.js';

/** A tensor of a state, and the number of rows that it must have. */
type Part = readonly [rows: unknown, count: number | undefined];

/**
 * Throws `MemgradError` unless `tokens` is int32 [batch, time], `key` is a key or undefined, and
 * each of `parts` is [batch, count, dModel].
 */
export function checkInput(
  { dModel }: ModelConfig,
  tokens: Tensor,
  key: Key | undefined,
  parts: readonly Part[],
): void {
  if (!(tokens instanceof Tensor) || tokens.dtype !== 'int32' || tokens.rank !== 2) {
    refuse('tokens int32 [batch, time]', tokens);
  }
  if (key !== undefined) check('forward: key', key, isKey);
  for (const [rows, count] of parts) {
    const shape = [tokens.shape[0], count ?? 'rows', dModel].join(', ');
    if (!(rows instanceof Tensor) || rows.shape.join(', ') !== shape) {
      refuse(`a state with [${shape}], from initialState(batch) or the previous segment`, rows);
    }
  }
}

/** The parts that a cache must have. */
export function cacheParts(cache: readonly Tensor[], { nLayer }: ModelConfig): Part[] {
  if (!Array.isArray(cache) || cache.length !== nLayer + 1) return [[cache, undefined]];
  return cache.map((part) => [part, cache[0]?.shape?.[1]]);
}

/** Throws `MemgradError` unless `state`, of a model that carries none, is null or undefined. */
export function checkNothing(state: unknown): void {
  if (state !== null && state !== undefined)
    refuse('a state of null: the model carries none', state);
}

function refuse(expected: string, value: unknown): never {
  throw new MemgradError(`forward: expected ${expected}, got ${describe(value)}.`);
}

/** Whether `model` has the methods that a subclass of `SegmentModel` must have. */
export function isLanguageModel(model: unknown): boolean {
  const { initialState, forward } = Object(model);
  return typeof initialState === 'function' && typeof forward === 'function';
}
