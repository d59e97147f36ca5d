/** The engine: tensors, operations and derivatives. */
export {
  arange,
  defaultBackend,
  full,
  linspace,
  ones,
  setDefaultBackend,
  type TensorOptions,
  type TensorValues,
  tensor,
  zeros,
} from './create.js';
export * from './operations/index.js';
export { Key, normal, uniform } from './random.js';
export { scope } from './scope.js';
export { type MemoryUse, memoryReport, peakMemory, resetPeakMemory } from './storage.js';
export { type Nested, Parameter, type Shape, Tensor } from './tensor.js';
export { type Captured, capture } from './transforms/capture.js';
export { checkpoint } from './transforms/checkpoint.js';
export {
  type GradientOf,
  grad,
  type HasParameters,
  type Scalar,
  valueAndGrad,
  vjp,
} from './transforms/grad.js';
export * from './transforms/gradcheck.js';
export {
  isObserved,
  isWanted,
  type Observation,
  observe,
  report,
  within,
} from './transforms/observe.js';
export { type Watched, watch } from './transforms/watch.js';
export { type Tree, treeLeaves, treeMap } from './tree.js';
