/**
 * Layers, for models of your own. The models of memgrad are built of the same ones.
 *
 * @module memgrad/nn
 */
import '../default-backend.js';

export {
  type AttentionContext,
  type RelativeBiases,
  SelfAttention,
  type SelfAttentionOptions,
} from './attention.js';
export { type Cache, emptyCache, extendCache } from './cache.js';
export { DecoderLayer, type DecoderLayerOptions } from './decoder-layer.js';
export { Dropout } from './dropout.js';
export { Embedding } from './embedding.js';
export { FeedForward, type FeedForwardOptions } from './feed-forward.js';
export { LayerNorm, type LayerNormOptions } from './layer-norm.js';
export { type DenseOptions, Linear } from './linear.js';
export { type SegmentLayout, segmentMask } from './mask.js';
export {
  type MemoryEnd,
  type MemoryInit,
  type MemoryLayout,
  type MemoryRowsOptions,
  memoryRows,
  perSequence,
  splitMemory,
  withMemory,
  writtenMemory,
} from './memory.js';
export { Module } from './module.js';
export type { Init, LayerOptions, Placement } from './parameters.js';
export {
  type AttentionPositions,
  type PositionTable,
  type RotationOptions,
  type Rotations,
  rotations,
  sinusoids,
} from './positions.js';
export { RMSNorm, type RMSNormOptions } from './rms-norm.js';
export { type Layer, Sequential } from './sequential.js';
export { summary } from './summary.js';
