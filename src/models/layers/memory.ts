/** Memory tokens: how they begin, and how they stand around the tokens of a segment. */
import {
  broadcastTo,
  concat,
  type Key,
  type Parameter,
  report,
  slice,
  type Tensor,
} from '../../autograd/index.js';
import type { MemoryConfig, RecurrentMemoryConfig } from '../config.js';
import { drawn, gaussianRows, parameter } from './parameters.js';
import { lastRows } from './rows.js';

/**
 * The learned rows that memory starts with, [numMemTokens, dModel]. The paper's code repeats one
 * N(0, 1) vector: then only their positions tell the memory tokens apart, and what they write has
 * to be told apart by training. Distinct rows are the faster start.
 */
export function memoryRows(config: MemoryConfig, key: Key): Parameter {
  const { numMemTokens, dModel, memInit } = config;
  if (memInit === 'distinct') return gaussianRows(key, [numMemTokens, dModel], config);
  return parameter(() =>
    broadcastTo(drawn(key, [1, dModel], { ...config, deviation: 1 }), [numMemTokens, dModel]),
  );
}

/** The rows that stand where memory is written, [numMemTokens, dModel], if they are learned ones. */
export function writeRows(config: RecurrentMemoryConfig, key: Key): Parameter | undefined {
  return config.writeTokens === 'own' ? memoryRows(config, key) : undefined;
}

/** Learned rows for each sequence, [batch, numMemTokens, dModel]. */
export function perSequence(rows: Parameter, batch: number): Tensor {
  return broadcastTo(rows, [batch, ...rows.shape]);
}

/** What stands at the end of a segment, if anything does. */
export interface MemoryEnd {
  memAtEnd: boolean;
  /** Left out, it is the memory that came in. */
  writeTokens?: Parameter;
}

/** [memory | tokens | memory], or without the memory at the end: [batch, rows, dModel]. */
export function withMemory(
  memory: Tensor,
  tokens: Tensor,
  { memAtEnd, writeTokens }: MemoryEnd,
): Tensor {
  report('memory.read', memory);
  if (!memAtEnd) return concat([memory, tokens], 1);
  const end = writeTokens ? perSequence(writeTokens, tokens.shape[0]) : memory;
  return concat([memory, tokens, end], 1);
}

/** Where the memory of a segment stands. */
export interface MemoryLayout {
  numMemTokens: number;
  memAtEnd: boolean;
}

/** The `output` rows of a segment that are the memory of the next: those at the end or, without memory there, in front. */
export function writtenMemory(output: Tensor, { numMemTokens, memAtEnd }: MemoryLayout): Tensor {
  const memory = memAtEnd ? lastRows(output, numMemTokens) : slice(output, 1, 0, numMemTokens);
  report('memory.written', memory);
  return memory;
}

/** Takes the `output` rows of a segment of `time` tokens apart: those of the tokens, and the memory of the next segment. */
export function splitMemory(
  output: Tensor,
  time: number,
  layout: MemoryLayout,
): { read: Tensor; memory: Tensor } {
  const { numMemTokens, memAtEnd } = layout;
  const end = output.shape[1] - (memAtEnd ? numMemTokens : 0);
  return { read: slice(output, 1, end - time, end), memory: writtenMemory(output, layout) };
}
