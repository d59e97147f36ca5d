/**
 * The models by name. A new model needs a file of its own and a line in the table.
 *
 * @module memgrad/models
 */
import '../default-backend.js';
import { refuseName } from '../options.js';
import type { CachedMemoryConfig } from './config.js';
import { MemTransformer } from './mem-transformer.js';
import { RMT } from './rmt.js';
import type { SegmentModel } from './segment-model.js';
import { Transformer } from './transformer.js';
import { TransformerXL } from './transformer-xl.js';
import { TransformerXLRMT } from './transformer-xl-rmt.js';

export * from './arrays.js';
export {
  type CacheConfig,
  type CachedMemoryConfig,
  choices,
  type MemoryConfig,
  type ModelConfig,
  type Positions,
  type Preset,
  presets,
  type RecurrentMemoryConfig,
} from './config.js';
export {
  type DocumentSegments,
  type DocumentTokens as Document,
  type EncoderConfig,
  EncoderRMT,
  type SegmentClasses,
} from './encoder-rmt.js';
export * from './layers/adaptive-softmax.js';
export * from './layers/decoder.js';
export { MemTransformer } from './mem-transformer.js';
export * from './reference.js';
export { RMT } from './rmt.js';
export * from './sampling.js';
export { detach, SegmentModel, type SegmentOutput } from './segment-model.js';
export * from './stream.js';
export { Transformer } from './transformer.js';
export { TransformerXL } from './transformer-xl.js';
export { type MemoryAndCache, TransformerXLRMT } from './transformer-xl-rmt.js';

/** Every option of every language model. */
export type AnyConfig = CachedMemoryConfig;

const models = {
  transformer: Transformer,
  'transformer-xl': TransformerXL,
  rmt: RMT,
  'mem-transformer': MemTransformer,
  'transformer-xl-rmt': TransformerXLRMT,
} satisfies Record<string, new (config: AnyConfig, seed?: number) => SegmentModel>;

/** The name of a model. */
export type ModelName = keyof typeof models;
/** The names that `createModel` accepts. */
export const modelNames = Object.keys(models) as ModelName[];

/** The intersection of all members of a union. */
type Common<Union> = (Union extends unknown ? (member: Union) => void : never) extends (
  common: infer Member,
) => void
  ? Member
  : never;

/**
 * The options that the model `Name` needs. Options of other models are accepted too, since presets
 * are shared.
 */
export type ConfigOf<Name extends ModelName> = Partial<AnyConfig> &
  Common<Name extends unknown ? ConstructorParameters<(typeof models)[Name]>[0] : never>;

/**
 * The type of the model `Name`; `SegmentModel` where the type checker doesn't know which model it
 * is.
 */
export type ModelOf<Name extends ModelName> = [Common<Name>] extends [never]
  ? SegmentModel
  : InstanceType<(typeof models)[Name]>;

/**
 * Returns the model called `name` with parameters drawn from `seed`. Throws `MemgradError` for an
 * unknown name, an option that no model has, and an option that is missing or out of range.
 */
export function createModel<Name extends ModelName>(
  name: Name,
  config: ConfigOf<Name>,
  seed = 0,
): ModelOf<Name> {
  if (!modelNames.includes(name)) refuseName('createModel', 'model', name, modelNames);
  const Model = models[name] as new (config: AnyConfig, seed: number) => SegmentModel;
  return new Model(config as AnyConfig, seed) as ModelOf<Name>;
}
