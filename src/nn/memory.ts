/** Memory tokens: their initial values, and their position around the tokens of a segment. */
import { requireTensors } from '../autograd/arguments.js';
import {
  broadcastTo,
  concat,
  type Parameter,
  report,
  slice,
  type Tensor,
} from '../autograd/index.js';
import { check, checkOptions, flag, needed, oneOf, requireThat, whole } from '../options.js';
import {
  checkArguments,
  drawn,
  drawnFrom,
  gaussianRows,
  type LayerOptions,
  layerKinds,
  parameter,
} from './parameters.js';
import { lastRows } from './rows.js';

/** Options of `memoryRows`. */
export interface MemoryRowsOptions extends LayerOptions {
  /**
   * `distinct`, the default: every row N(0, 0.1), or N(0, 0.02) with `init: 'narrow'`; `repeated`:
   * one N(0, 1) vector for all rows (the paper).
   */
  memInit?: MemoryInit;
}

/** The ways in which memory rows start. */
export const memoryInits = ['distinct', 'repeated'] as const;
/** How memory rows start. */
export type MemoryInit = (typeof memoryInits)[number];

/**
 * The learned initial memory, a parameter [numMemTokens, dModel]. The paper's code repeats one
 * N(0, 1) vector: only positions then distinguish the memory tokens, and training has to make them
 * write different things. Distinct rows learn faster. Throws `MemgradError` unless both sizes are
 * whole numbers >= 1.
 */
export function memoryRows(
  numMemTokens: number,
  dModel: number,
  options: MemoryRowsOptions = {},
): Parameter {
  const kinds = { ...layerKinds, memInit: oneOf(memoryInits) };
  checkArguments('memoryRows', { numMemTokens, dModel }, options, kinds);
  const { key, initial } = drawnFrom(options);
  const shape = [numMemTokens, dModel];
  if (options.memInit !== 'repeated') return gaussianRows(key, shape, initial);
  const { dtype, backend } = options;
  return parameter(() =>
    broadcastTo(drawn(key, [1, dModel], { dtype, backend, deviation: 1 }), shape),
  );
}

/** Broadcasts learned rows [numMemTokens, dModel] to each sequence: [batch, numMemTokens, dModel]. */
export function perSequence(rows: Tensor, batch: number): Tensor {
  requireTensors('perSequence', rows);
  check('perSequence: batch', batch, whole());
  return broadcastTo(rows, [batch, ...rows.shape]);
}

/** The rows at the end of a segment, if there are any. */
export interface MemoryEnd {
  /** Whether rows for writing are appended at the end. Default true. */
  memAtEnd?: boolean;
  /** These rows, [numMemTokens, dModel]. Default: the incoming memory. */
  writeTokens?: Tensor;
}

/**
 * Returns [memory | tokens | memory] of `memory` [batch, numMemTokens, dModel] and the embedded
 * `tokens` [batch, time, dModel], or [memory | tokens] without `memAtEnd`: [batch, rows, dModel].
 */
export function withMemory(memory: Tensor, tokens: Tensor, options: MemoryEnd = {}): Tensor {
  requireTensors('withMemory', memory, tokens);
  checkOptions('withMemory', options, { memAtEnd: flag, writeTokens: 1 });
  const { memAtEnd = true, writeTokens } = options;
  report('memory.read', memory);
  if (!memAtEnd) return concat([memory, tokens], 1);
  const end = writeTokens ? perSequence(writeTokens, tokens.shape[0]) : memory;
  return concat([memory, tokens, end], 1);
}

/** The position of the memory in a segment. */
export interface MemoryLayout {
  numMemTokens: number;
  /** Whether memory is written at the end of the segment. Default true. */
  memAtEnd?: boolean;
}

/**
 * The rows of `output` [batch, rows, dModel] that become the memory of the next segment, [batch,
 * numMemTokens, dModel]: the last ones with `memAtEnd`, otherwise the first.
 */
export function writtenMemory(output: Tensor, layout: MemoryLayout): Tensor {
  requireTensors('writtenMemory', output);
  const { numMemTokens, memAtEnd } = checkedLayout('writtenMemory', layout);
  const memory = memAtEnd ? lastRows(output, numMemTokens) : slice(output, 1, 0, numMemTokens);
  report('memory.written', memory);
  return memory;
}

/**
 * Splits the rows of `output` [batch, rows, dModel] for a segment of `time` tokens into those of the
 * tokens (`read`, [batch, time, dModel]) and the memory of the next segment.
 */
export function splitMemory(
  output: Tensor,
  time: number,
  layout: MemoryLayout,
): { read: Tensor; memory: Tensor } {
  requireTensors('splitMemory', output);
  check('splitMemory: time', time, whole());
  const { numMemTokens, memAtEnd } = checkedLayout('splitMemory', layout);
  const rows = output.shape[1];
  const end = rows - (memAtEnd ? numMemTokens : 0);
  requireThat(end >= time, 'splitMemory: time', `at most ${end}, for ${rows} rows`, time);
  return { read: slice(output, 1, end - time, end), memory: writtenMemory(output, layout) };
}

function checkedLayout(where: string, layout: MemoryLayout): Required<MemoryLayout> {
  checkOptions(where, layout, { numMemTokens: needed(whole()), memAtEnd: flag });
  const { numMemTokens, memAtEnd = true } = layout;
  return { numMemTokens, memAtEnd };
}
