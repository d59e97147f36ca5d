/**
 * What `createModel` lets compile: the type checker is the test, as every line under a
 * `@ts-expect-error` must be an error.
 */
import { loadBackend } from '../../src/backends/index.js';
import {
  createModel,
  type MemTransformer,
  type ModelName,
  presets,
  type RMT,
  type SegmentModel,
  type Transformer,
  type TransformerXL,
  type TransformerXLRMT,
} from '../../src/models/index.js';
import { createOptimizer } from '../../src/training/index.js';

const sizes = { nToken: 12, nLayer: 1, nHead: 2, dModel: 8, dHead: 4, dInner: 8 };
const fast = { ...presets.fast, ...sizes };

/** Compiles, and is never run. */
export function compiles(anyName: ModelName): void {
  const transformer: Transformer = createModel('transformer', fast);
  const rmt: RMT = createModel('rmt', { ...fast, numMemTokens: 2 });
  const xl: TransformerXL = createModel('transformer-xl', { ...fast, memLen: 2 });
  const memory: MemTransformer = createModel('mem-transformer', { ...fast, numMemTokens: 2 });
  const both: TransformerXLRMT = createModel('transformer-xl-rmt', {
    ...fast,
    memLen: 2,
    numMemTokens: 2,
  });
  createModel('rmt', { ...fast, numMemTokens: 2, memLen: 4 }); // presets are shared
  const any: SegmentModel = createModel(anyName, { ...fast, numMemTokens: 2, memLen: 4 });
  for (const model of [transformer, rmt, xl, memory, both, any]) model.dispose();

  transformer.initialState(1); // as the other models
  // @ts-expect-error: a model is made anew for another configuration
  rmt.config.numMemTokens = 3;
  // @ts-expect-error: no such backend
  loadBackend('gpu');
  createOptimizer('rmsprop', { alpha: 0.9 });
  // @ts-expect-error: SGD has no betas
  createOptimizer('sgd', { betas: [0.9, 0.9] });
  // @ts-expect-error: no such optimiser
  createOptimizer('lion');
  // @ts-expect-error: no such model
  createModel('rmtt', fast);
  // @ts-expect-error: numMemTokens is missing
  createModel('rmt', fast);
  // @ts-expect-error: numMemTokens is missing
  createModel('mem-transformer', fast);
  // @ts-expect-error: memLen is missing
  createModel('transformer-xl', fast);
  // @ts-expect-error: memLen is missing
  createModel('transformer-xl-rmt', { ...fast, numMemTokens: 2 });
  // @ts-expect-error: no model has such an option
  createModel('rmt', { ...fast, numMemTokens: 2, num_mem_tokens: 10 });
  // @ts-expect-error: what is needed of any model is needed where the name isn't known
  createModel(anyName, fast);
  // @ts-expect-error: an RMT isn't a Transformer
  const other: Transformer = createModel('rmt', { ...fast, numMemTokens: 2 });
  other.dispose();
}
