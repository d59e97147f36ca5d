// Written by scripts/kernels.mjs from the AssemblyScript files in ./assembly. Don't edit it.

/** The functions that the compiled module exports. */
export type ExportName =
  | 'adam'
  | 'argmax'
  | 'attention'
  | 'attentionGradient'
  | 'attentionGradientScratch'
  | 'attentionScratch'
  | 'binary'
  | 'binaryInt'
  | 'clear'
  | 'clipFactor'
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
  | 'layerNormGradientScratch'
  | 'matmul'
  | 'matmulScratch'
  | 'norm'
  | 'reduce'
  | 'reluGradient'
  | 'rmsNorm'
  | 'rmsNormGradient'
  | 'rmsNormGradientScratch'
  | 'rotate'
  | 'scatterAdd'
  | 'softmax'
  | 'softmaxGradient'
  | 'swiglu'
  | 'swigluGradient'
  | 'toFloat'
  | 'toInt'
  | 'unary'
  | 'uniform'
  | 'where';

/** The fused kernels (assembly/kernels). Arguments: input addresses, numbers, result addresses. */
export const fusedNames = [
  'attention',
  'attentionGradient',
  'clipFactor',
  'crossEntropy',
  'crossEntropyGradient',
  'dropout',
  'layerNorm',
  'layerNormGradient',
  'reluGradient',
  'rmsNorm',
  'rmsNormGradient',
  'rotate',
  'softmax',
  'softmaxGradient',
  'swiglu',
  'swigluGradient',
] as const;

/** The numbers by which the compiled code identifies functions of `unary`. */
export const unaryNumbers = {
  neg: 0,
  abs: 1,
  sign: 2,
  exp: 3,
  log: 4,
  sqrt: 5,
  sin: 6,
  cos: 7,
  tanh: 8,
  sigmoid: 9,
  relu: 10,
  erf: 11,
} as const;

/** The numbers by which the compiled code identifies functions of `binary`. */
export const binaryNumbers = {
  add: 0,
  sub: 1,
  mul: 2,
  div: 3,
  pow: 4,
  maximum: 5,
  minimum: 6,
  equal: 7,
  notEqual: 8,
  less: 9,
  lessEqual: 10,
  greater: 11,
  greaterEqual: 12,
} as const;
