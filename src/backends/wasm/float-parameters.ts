// Written by scripts/kernels.mjs from the AssemblyScript files in ./assembly. Don't edit it.
import type { ExportName } from './exports.js';

/** The positions of the parameters that are floats; all others are addresses and integers. */
export const floatParameters: Partial<Record<ExportName, readonly number[]>> = {
  adam: [8, 9, 10, 11, 12, 13],
  attention: [12],
  attentionGradient: [13],
  attentionGradientScratch: [7],
  attentionScratch: [7],
  clear: [1],
  clipFactor: [2],
  dropout: [2],
  layerNorm: [3],
  layerNormGradient: [3],
  layerNormGradientScratch: [0],
  matmul: [13],
  rmsNorm: [2],
  rmsNormGradient: [3],
  rmsNormGradientScratch: [0],
  rotate: [3],
  softmax: [3],
  softmaxGradient: [2],
};
