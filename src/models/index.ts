/** The models by name. A new one gets a file of its own and a line in the table. */
import { MemgradError } from '../errors.js';
import type { CacheConfig, MemoryConfig } from './config.js';
import { RMT } from './rmt.js';
import type { SegmentModel } from './segment-model.js';
import { Transformer } from './transformer.js';
import { TransformerXL } from './transformer-xl.js';

export * from './config.js';
export * from './layers/attention.js';
export * from './layers/decoder.js';
export * from './layers/feed-forward.js';
export * from './layers/layer-norm.js';
export * from './layers/linear.js';
export * from './layers/mask.js';
export * from './layers/positions.js';
export { Module } from './module.js';
export * from './reference.js';
export { RMT } from './rmt.js';
export { detach, type SegmentModel, type SegmentOutput } from './segment-model.js';
export { Transformer } from './transformer.js';
export { type Cache, TransformerXL } from './transformer-xl.js';

/** Every option of every model; each takes what it needs. */
export type AnyConfig = CacheConfig & MemoryConfig;

const models = {
  transformer: ({ memLen: _, numMemTokens: __, memInit: ___, ...config }, seed) =>
    new Transformer(config, seed),
  'transformer-xl': ({ numMemTokens: _, memInit: __, ...config }, seed) =>
    new TransformerXL(config, seed),
  rmt: ({ memLen: _, ...config }, seed) => new RMT(config, seed),
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
