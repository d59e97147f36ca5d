/** How the layers of the models start, as their configuration says. */
import type { Key, Parameter } from '../../autograd/index.js';
import { memoryRows } from '../../nn/memory.js';
import type { LayerOptions } from '../../nn/parameters.js';
import type { MemoryConfig, ModelConfig, RecurrentMemoryConfig } from '../config.js';

/** The options of a layer. Unlike layers of one's own, those of the models start `narrow`. */
export function layerOptions(
  { init = 'narrow', dtype, backend }: Pick<ModelConfig, 'init' | 'dtype' | 'backend'>,
  key?: Key,
): LayerOptions {
  return { key, init, dtype, backend };
}

/** The learned initial memory, [numMemTokens, dModel]. */
export function initialMemory(config: MemoryConfig, key: Key): Parameter {
  const { numMemTokens, dModel, memInit } = config;
  return memoryRows(numMemTokens, dModel, { ...layerOptions(config, key), memInit });
}

/**
 * The learned rows for writing memory, [numMemTokens, dModel]; undefined unless `writeTokens` is
 * 'own'.
 */
export function writeRows(config: RecurrentMemoryConfig, key: Key): Parameter | undefined {
  return config.writeTokens === 'own' ? initialMemory(config, key) : undefined;
}
