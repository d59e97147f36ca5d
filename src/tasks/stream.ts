/** The contract of language modelling: long streams, read from start to end. */
import type { Batch } from './task.js';

/** The parts of a text. */
export type Part = 'train' | 'validation' | 'test';

/** A text to predict token by token. A model carries its state along the stream. */
export interface StreamTask {
  readonly name: string;
  /** Number of different tokens. */
  readonly vocabulary: number;
  /** The unit of a loss: bits per byte of text, or perplexity per token. */
  readonly unit: 'bits per character' | 'perplexity';
  /**
   * The number of segments of `length` tokens in each of `size` parallel streams; the last may be
   * shorter.
   */
  segments(part: Part, size: number, length: number): number;
  /**
   * The `index`-th segment of `size` parallel streams, in which all targets count. Equal arguments
   * give equal segments.
   */
  segment(part: Part, size: number, length: number, index: number): Batch;
  /** Tokens as text for people. */
  show(tokens: ArrayLike<number>): string;
}
