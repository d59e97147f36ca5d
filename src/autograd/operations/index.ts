/** The operations, one file per family. */
export * from './activations.js';
export { type AdamSpec, type AdamTensors, adamStep, globalNorm } from './adam.js';
export * from './attention.js';
export * from './channel-norm.js';
export * from './comparison.js';
export * from './convolution.js';
export * from './cross-entropy.js';
export * from './cumulative.js';
export { type DropoutOptions, dropout } from './dropout.js';
export { einsum } from './einsum.js';
export {
  abs,
  add,
  cos,
  div,
  erf,
  exp,
  gelu,
  log,
  maximum,
  minimum,
  mul,
  neg,
  pow,
  relu,
  sigmoid,
  sign,
  sin,
  sqrt,
  square,
  sub,
  tanh,
} from './elementwise.js';
export * from './functions.js';
export * from './indexing.js';
export { layerNorm } from './layer-norm.js';
export {
  binaryCrossEntropy,
  type HuberOptions,
  huber,
  type LossOptions,
  mse,
} from './losses.js';
export { type LinearOptions, linear, type MatmulOptions, matmul } from './matmul.js';
export type { Operand } from './operand.js';
export {
  chunk,
  flatten,
  flip,
  type MeshgridOptions,
  meshgrid,
  roll,
  split,
  squeeze,
  tile,
  tril,
  triu,
  unsqueeze,
} from './rearrange.js';
export {
  type Axes,
  argmax,
  logsumexp,
  max,
  mean,
  min,
  type ReduceOptions,
  sum,
} from './reduction.js';
export { rmsNorm } from './rms-norm.js';
export { rotate } from './rotate.js';
export * from './rounding.js';
export * from './sampling.js';
export {
  broadcastTo,
  concat,
  type Padding,
  pad,
  reshape,
  slice,
  stack,
  transpose,
} from './shape.js';
export { logSoftmax, softmax } from './softmax.js';
export * from './sorting.js';
export * from './statistics.js';
export { swiglu } from './swiglu.js';
export * from './view.js';
