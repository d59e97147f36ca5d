/** What the compiled kernels and their buffers are to the host. */
import type { DeviceBuffer } from '../backend.js';

/** A block of the linear memory. */
export interface WasmBuffer extends DeviceBuffer {
  readonly address: number;
}

/** The functions that ./assembly/index.ts exports; addresses and strides are in bytes. */
export type Kernels = Record<
  | 'adam'
  | 'argmax'
  | 'attention'
  | 'attentionGradient'
  | 'attentionScratch'
  | 'binary'
  | 'binaryInt'
  | 'clear'
  | 'copy'
  | 'crossEntropy'
  | 'crossEntropyGradient'
  | 'dropout'
  | 'fill'
  | 'finish'
  | 'finite'
  | 'gather'
  | 'heapBase'
  | 'layerNorm'
  | 'layerNormGradient'
  | 'matmul'
  | 'matmulScratch'
  | 'reduce'
  | 'reluGradient'
  | 'rotate'
  | 'scatterAdd'
  | 'softmax'
  | 'softmaxGradient'
  | 'sumSquares'
  | 'toFloat'
  | 'toInt'
  | 'unary'
  | 'uniform'
  | 'where',
  (...numbers: number[]) => number
>;
