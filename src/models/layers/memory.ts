/** Memory tokens: how they begin, and how they stand around the tokens of a segment. */
import {
  broadcastTo,
  concat,
  type Key,
  Parameter,
  report,
  scope,
  slice,
  type Tensor,
} from '../../autograd/index.js';
import type { MemoryConfig, RecurrentMemoryConfig } from '../config.js';
import { gaussian, gaussianRows } from './parameters.js';

/**
 * The learned rows that memory starts with, [numMemTokens, dModel]. The paper's code repeats one
 * N(0, 1) vector: then only their positions tell the memory tokens apart, and what they write has
 * to be told apart by training. Distinct rows are the faster start.
 */
export function memoryRows(config: MemoryConfig, key: Key): Parameter {
  const { numMemTokens, dModel, memInit } = config;
  if (memInit === 'distinct') return gaussianRows(key, [numMemTokens, dModel], config);
  return scope(() => {
    using row = gaussian(key, [1, dModel], { ...config, deviation: 1 });
    return new Parameter(broadcastTo(row, [numMemTokens, dModel]));
  });
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

/**
 * Takes the `output` rows of a segment of `time` tokens apart: those of the tokens, and those that
 * are the memory of the next segment, which stand at the end or, without memory there, in front.
 */
export function splitMemory(
  output: Tensor,
  time: number,
  memAtEnd: boolean,
): { read: Tensor; memory: Tensor } {
  const rows = output.shape[1];
  const numMemTokens = memAtEnd ? (rows - time) / 2 : rows - time;
  const memory = memAtEnd
    ? slice(output, 1, rows - numMemTokens)
    : slice(output, 1, 0, numMemTokens);
  report('memory.written', memory);
  return { read: slice(output, 1, numMemTokens, numMemTokens + time), memory };
}
