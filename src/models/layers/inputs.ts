/** The checks of what a model is given to read. */
import { type Key, Tensor } from '../../autograd/index.js';
import { requireKey } from '../../autograd/random.js';
import { describe, MemgradError, requireWhole } from '../../errors.js';
import type { CacheConfig, MemoryConfig } from '../config.js';
import type { Cache } from './cache.js';

/** Throws `MemgradError` unless `tokens` are int32 [batch, time] and `key`, if there is one, is a key. */
export function checkTokens(tokens: Tensor, key?: Key): void {
  const fits =
    tokens instanceof Tensor && tokens.dtype === 'int32' && tokens.rank === 2 && tokens.size > 0;
  if (!fits) {
    throw new MemgradError(`forward: expected tokens int32 [batch, time], got ${show(tokens)}.`);
  }
  if (key !== undefined) requireKey('forward', key);
}

/** Throws `MemgradError` unless the state of a model that carries nothing is null. */
export function checkNothing(state: unknown): void {
  if (state !== null && state !== undefined) refuse('to be null', state);
}

/** Throws `MemgradError` unless `memory` is [batch, numMemTokens, dModel] for the batch of `tokens`. */
export function checkMemory(memory: Tensor, tokens: Tensor, config: MemoryConfig): void {
  checkRows('memory', memory, [tokens.shape[0], config.numMemTokens, config.dModel]);
}

/** Throws `MemgradError` unless `cache` has the rows of every layer for the batch of `tokens`. */
export function checkCache(cache: Cache, tokens: Tensor, { nLayer, dModel }: CacheConfig): void {
  if (!Array.isArray(cache) || cache.length !== nLayer + 1) {
    refuse(`a cache of ${nLayer + 1} tensors`, cache);
  }
  const rows = cache[0]?.shape?.[1];
  for (const part of cache) checkRows('cache', part, [tokens.shape[0], rows, dModel]);
}

/** Throws `MemgradError` unless a state can begin for `batch` sequences. */
export function checkBatchSize(batch: number): void {
  requireWhole('initialState', 'batch', batch);
}

function checkRows(name: string, rows: Tensor, shape: readonly number[]): void {
  const fits = rows instanceof Tensor && rows.shape.join() === shape.join();
  if (!fits) refuse(`${name} [${shape.join(', ')}]`, rows);
}

function refuse(expected: string, state: unknown): never {
  throw new MemgradError(
    `forward: expected ${expected} in the state, got ${show(state)}; pass initialState(batch), or the state after the segment before.`,
  );
}

function show(value: unknown): string {
  return value instanceof Tensor ? String(value) : describe(value);
}
