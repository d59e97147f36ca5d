/** The engine: tensors, operations and derivatives. */
export { type AdamTensors, adamStep, globalNorm } from './adam.js';
export * from './attention.js';
export * from './comparison.js';
export {
  arange,
  defaultBackend,
  full,
  ones,
  setDefaultBackend,
  type TensorOptions,
  type TensorValues,
  tensor,
  zeros,
} from './create.js';
export { type DropoutOptions, dropout } from './dropout.js';
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
export * from './gradcheck.js';
export * from './identity.js';
export * from './indexing.js';
export * from './loss.js';
export { type LinearOptions, linear, type MatmulOptions, matmul } from './matmul.js';
export { layerNorm, logSoftmax, softmax } from './normalization.js';
export { isObserved, isWanted, type Observation, observe, report } from './observe.js';
export type { Operand } from './operand.js';
export { within } from './place.js';
export { Key, normal, uniform } from './random.js';
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
export { rotate } from './rotate.js';
export { scope } from './scope.js';
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
export { type MemoryUse, memoryReport, peakMemory, resetPeakMemory } from './storage.js';
export { type Nested, Parameter, type Shape, Tensor } from './tensor.js';
export { checkpoint, grad, type Scalar, valueAndGrad, vjp } from './transforms.js';
export { type Tree, treeLeaves, treeMap } from './tree.js';
export { type Ran, watch } from './watch.js';
