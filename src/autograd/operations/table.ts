/** The list of operations that tests, the microscope and random programs read. */
import * as functions from './by-name.js';

/**
 * The kind of an operation. A `hook` sees gradients, an `optimiser` has none, and a `list` returns
 * several tensors, a `maker` takes none, and a `random` one takes a key; none of these is called like the others.
 */
export type Category =
  | 'elementwise'
  | 'comparison'
  | 'reduction'
  | 'product'
  | 'shape'
  | 'indexing'
  | 'network'
  | 'view'
  | 'hook'
  | 'list'
  | 'maker'
  | 'random'
  | 'optimiser';

/** Every exported operation. TypeScript reports a new one that is missing here. */
export const categories = {
  abs: 'elementwise',
  add: 'elementwise',
  atan2: 'elementwise',
  ceil: 'elementwise',
  clip: 'elementwise',
  cos: 'elementwise',
  div: 'elementwise',
  elu: 'elementwise',
  erf: 'elementwise',
  exp: 'elementwise',
  expm1: 'elementwise',
  floor: 'elementwise',
  gelu: 'elementwise',
  leakyRelu: 'elementwise',
  log: 'elementwise',
  log1p: 'elementwise',
  maximum: 'elementwise',
  minimum: 'elementwise',
  mod: 'elementwise',
  mul: 'elementwise',
  neg: 'elementwise',
  pow: 'elementwise',
  relu: 'elementwise',
  round: 'elementwise',
  sigmoid: 'elementwise',
  sign: 'elementwise',
  silu: 'elementwise',
  sin: 'elementwise',
  softplus: 'elementwise',
  sqrt: 'elementwise',
  square: 'elementwise',
  sub: 'elementwise',
  tan: 'elementwise',
  tanh: 'elementwise',
  cast: 'comparison',
  equal: 'comparison',
  greater: 'comparison',
  greaterEqual: 'comparison',
  less: 'comparison',
  lessEqual: 'comparison',
  notEqual: 'comparison',
  where: 'comparison',
  argmax: 'reduction',
  cumprod: 'reduction',
  cumsum: 'reduction',
  logsumexp: 'reduction',
  max: 'reduction',
  mean: 'reduction',
  min: 'reduction',
  norm: 'reduction',
  prod: 'reduction',
  std: 'reduction',
  sum: 'reduction',
  variance: 'reduction',
  einsum: 'product',
  linear: 'product',
  conv1d: 'product',
  conv2d: 'product',
  matmul: 'product',
  broadcastTo: 'shape',
  concat: 'shape',
  flatten: 'shape',
  flip: 'shape',
  pad: 'shape',
  reshape: 'shape',
  roll: 'shape',
  slice: 'shape',
  squeeze: 'shape',
  stack: 'shape',
  tile: 'shape',
  transpose: 'shape',
  tril: 'shape',
  triu: 'shape',
  unsqueeze: 'shape',
  argsort: 'indexing',
  gather: 'indexing',
  oneHot: 'indexing',
  scatterAdd: 'indexing',
  sort: 'indexing',
  takeAlongAxis: 'indexing',
  attention: 'network',
  averagePool: 'network',
  batchNorm: 'network',
  binaryCrossEntropy: 'network',
  crossEntropy: 'network',
  dropout: 'network',
  groupNorm: 'network',
  huber: 'network',
  layerNorm: 'network',
  logSoftmax: 'network',
  maxPool: 'network',
  mse: 'network',
  rmsNorm: 'network',
  rotate: 'network',
  softmax: 'network',
  swiglu: 'network',
  identity: 'view',
  stopGradient: 'view',
  chunk: 'list',
  meshgrid: 'list',
  split: 'list',
  eye: 'maker',
  topk: 'list',
  bernoulli: 'random',
  choice: 'random',
  randperm: 'random',
  tapGradient: 'hook',
  adamStep: 'optimiser',
  globalNorm: 'optimiser',
} as const satisfies Record<keyof typeof functions, Category>;

/** The kinds that are called in another way. */
const apart = ['hook', 'list', 'maker', 'optimiser', 'random'] as const satisfies Category[];
type Apart = (typeof apart)[number];

/** The name of an operation from tensors to a tensor, as expressions and test cases call it. */
export type OperationName = {
  [Name in keyof typeof categories]: (typeof categories)[Name] extends Apart ? never : Name;
}[keyof typeof categories];

/** These operations by name. */
export const operations: Pick<typeof functions, OperationName> = functions;

/** Their names. */
export const operationNames = /* @__PURE__ */ Object.keys(categories).filter(
  (name) => !(apart as readonly Category[]).includes(categories[name as keyof typeof categories]),
) as OperationName[];
