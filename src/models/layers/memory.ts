/** Memory tokens. */
import { broadcastTo, type Key, Parameter, scope } from '../../autograd/index.js';
import type { MemoryConfig } from '../config.js';
import { gaussian } from './parameters.js';

/**
 * The learned rows that memory starts with, [numMemTokens, dModel]. The paper's code repeats one
 * N(0, 1) vector: then only their positions tell the memory tokens apart, and what they write has
 * to be told apart by training. Distinct rows are the faster start.
 */
export function memoryRows(config: MemoryConfig, key: Key): Parameter {
  const { numMemTokens, dModel, memInit } = config;
  if (memInit === 'distinct') return gaussian(key, [numMemTokens, dModel], config);
  return scope(() => {
    using row = gaussian(key, [1, dModel], { ...config, deviation: 1 });
    return new Parameter(broadcastTo(row, [numMemTokens, dModel]));
  });
}
