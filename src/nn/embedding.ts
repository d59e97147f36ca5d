/** A table of rows, one for each token. */
import { gather, type Parameter, type Tensor } from '../autograd/index.js';
import { Module } from './module.js';
import {
  checkArguments,
  drawnFrom,
  gaussianRows,
  type LayerOptions,
  layerKinds,
} from './parameters.js';

/**
 * Looks tokens up in `weight` [tokens, width], which starts N(0, 0.1), or N(0, 0.02) with `init:
 * 'narrow'`. The same weight may compute logits: `linear(rows, embedding.weight)` (Press and Wolf
 * 2017).
 */
export class Embedding extends Module {
  readonly weight: Parameter;

  /** Throws `MemgradError` unless both sizes are whole numbers >= 1. */
  constructor(tokens: number, width: number, options: LayerOptions = {}) {
    super();
    checkArguments('Embedding', { tokens, width }, options, layerKinds);
    const { key, initial } = drawnFrom(options);
    this.weight = gaussianRows(key, [tokens, width], initial);
  }

  /** Maps int32 [...] to [..., width]. Throws `MemgradError` for tokens of another dtype. */
  forward(tokens: Tensor): Tensor {
    return gather(this.weight, tokens);
  }
}
