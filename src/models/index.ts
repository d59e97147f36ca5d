/**
 * The models by name. A new one gets a file of its own and a line in the table.
 *
 * @module memgrad/models
 */
import { MemgradError } from '../errors.js';
import type { CachedMemoryConfig } from './config.js';
import { MemTransformer } from './mem-transformer.js';
import { RMT } from './rmt.js';
import type { SegmentModel } from './segment-model.js';
import { Transformer } from './transformer.js';
import { TransformerXL } from './transformer-xl.js';
import { TransformerXLRMT } from './transformer-xl-rmt.js';

export * from './arrays.js';
export * from './config.js';
export * from './encoder-rmt.js';
export * from './layers/adaptive-softmax.js';
export * from './layers/attention.js';
export type { Cache } from './layers/cache.js';
export * from './layers/decoder.js';
export * from './layers/feed-forward.js';
export * from './layers/layer-norm.js';
export * from './layers/linear.js';
export * from './layers/mask.js';
export * from './layers/positions.js';
export { MemTransformer } from './mem-transformer.js';
export { Module } from './module.js';
export * from './reference.js';
export { RMT } from './rmt.js';
export * from './sampling.js';
export { detach, SegmentModel, type SegmentOutput } from './segment-model.js';
export * from './stream.js';
export { Transformer } from './transformer.js';
export { TransformerXL } from './transformer-xl.js';
export { type MemoryAndCache, TransformerXLRMT } from './transformer-xl-rmt.js';

/** Every option of every language model; each takes what it needs. */
export type AnyConfig = CachedMemoryConfig;

const models = {
  transformer: (config, seed) => new Transformer(config, seed),
  'transformer-xl': (config, seed) => new TransformerXL(config, seed),
  rmt: (config, seed) => new RMT(config, seed),
  'mem-transformer': (config, seed) => new MemTransformer(config, seed),
  'transformer-xl-rmt': (config, seed) => new TransformerXLRMT(config, seed),
} satisfies Record<string, (config: AnyConfig, seed: number) => SegmentModel>;

/** The name of a model. */
export type ModelName = keyof typeof models;
/** The names that `createModel` takes. */
export const modelNames = Object.keys(models) as ModelName[];

/** The model called `name` with fresh parameters drawn from `seed`. Throws for an unknown name or an impossible configuration. */
export function createModel(name: string, config: AnyConfig, seed = 0): SegmentModel {
  if (!Object.hasOwn(models, name)) {
    throw new MemgradError(
      `model: '${name}' is not known; choose one of ${modelNames.join(', ')}.`,
    );
  }
  return models[name as ModelName](config, seed);
}
