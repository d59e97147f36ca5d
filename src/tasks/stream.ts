/** The contract of language modelling: long streams, read from their start to their end. */
import type { Batch } from './task.js';

/** The parts that a text is cut into. */
export type Part = 'train' | 'validation' | 'test';

/** Text to be predicted token by token. A model carries its state along the stream. */
export interface StreamTask {
  readonly name: string;
  /** Number of different tokens. */
  readonly vocabulary: number;
  /** How a loss is told: in bits for each byte of text, or as perplexity for each token. */
  readonly unit: 'bits per character' | 'perplexity';
  /** How many segments of `length` tokens each of `size` parallel streams has; the last may be shorter. */
  segments(part: Part, size: number, length: number): number;
  /** The `index`-th segment of `size` parallel streams, all targets of which count. Equal arguments give equal segments. */
  segment(part: Part, size: number, length: number, index: number): Batch;
  /** Tokens as text for a person. */
  show(tokens: ArrayLike<number>): string;
}
