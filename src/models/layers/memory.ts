/** Memory tokens: their initial values, and their position around the tokens of a segment. */
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
 * The learned initial memory, [numMemTokens, dModel]. The paper's code repeats one N(0, 1) vector:
 * only positions then distinguish the memory tokens, and training has to make them write different
 * things. Distinct rows learn faster.
 */
export function memoryRows(config: MemoryConfig, key: Key): Parameter {
  const { numMemTokens, dModel, memInit } = config;
  if (memInit === 'distinct') return gaussianRows(key, [numMemTokens, dModel], config);
  return parameter(() =>
    broadcastTo(drawn(key, [1, dModel], { ...config, deviation: 1 }), [numMemTokens, dModel]),
  );
}

/**
 * The learned rows for writing memory, [numMemTokens, dModel]; undefined unless `writeTokens` is
 * 'own'.
 */
export function writeRows(config: RecurrentMemoryConfig, key: Key): Parameter | undefined {
  return config.writeTokens === 'own' ? memoryRows(config, key) : undefined;
}

/** Broadcasts learned rows to each sequence: [batch, numMemTokens, dModel]. */
export function perSequence(rows: Parameter, batch: number): Tensor {
  return broadcastTo(rows, [batch, ...rows.shape]);
}

/** The rows at the end of a segment, if there are any. */
export interface MemoryEnd {
  memAtEnd: boolean;
  /** Default: the incoming memory. */
  writeTokens?: Parameter;
}

/**
 * Returns [memory | tokens | memory], or [memory | tokens] without `memAtEnd`:
 * [batch, rows, dModel].
 */
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

/** The position of the memory in a segment. */
export interface MemoryLayout {
  numMemTokens: number;
  memAtEnd: boolean;
}

/**
 * The `output` rows that become the memory of the next segment: the last ones with `memAtEnd`,
 * otherwise the first.
 */
export function writtenMemory(output: Tensor, { numMemTokens, memAtEnd }: MemoryLayout): Tensor {
  const memory = memAtEnd ? lastRows(output, numMemTokens) : slice(output, 1, 0, numMemTokens);
  report('memory.written', memory);
  return memory;
}

/**
 * Splits the `output` rows of a segment of `time` tokens into those of the tokens (`read`) and the
 * memory of the next segment.
 */
export function splitMemory(
  output: Tensor,
  time: number,
  layout: MemoryLayout,
): { read: Tensor; memory: Tensor } {
  const { numMemTokens, memAtEnd } = layout;
  const end = output.shape[1] - (memAtEnd ? numMemTokens : 0);
  return { read: slice(output, 1, end - time, end), memory: writtenMemory(output, layout) };
}
