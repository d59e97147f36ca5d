/** The table of all operations: how each is called, and what can be expected of it. */
import * as engine from '../autograd/by-name.js';
import type { OperationCases } from './case.js';
import { attentionCases } from './cases/attention.js';
import { comparisonCases } from './cases/comparison.js';
import { elementwiseCases } from './cases/elementwise.js';
import { matmulCases } from './cases/matmul.js';
import { networkCases } from './cases/network.js';
import { reductionCases } from './cases/reduction.js';
import { shapeCases } from './cases/shape.js';

/** What src/autograd exports and is no operation on tensors. All else is one, and needs an entry below. */
export const notOperations = [
  'Key',
  'Parameter',
  'Tensor',
  'adamStep',
  'arange',
  'checkGradients',
  'checkpoint',
  'defaultBackend',
  'full',
  'globalNorm',
  'grad',
  'isObserved',
  'isWanted',
  'memoryReport',
  'normal',
  'observe',
  'ones',
  'peakMemory',
  'report',
  'resetPeakMemory',
  'scope',
  'setDefaultBackend',
  'tapGradient',
  'tensor',
  'treeLeaves',
  'treeMap',
  'uniform',
  'valueAndGrad',
  'vjp',
  'watch',
  'within',
  'zeros',
] as const satisfies readonly (keyof typeof engine)[];

type NotOperation = (typeof notOperations)[number];

/** The name of a public operation. */
export type OperationName = Exclude<keyof typeof engine, NotOperation>;

/** The public operations by name. */
export const operations: Pick<typeof engine, OperationName> = omit(engine, notOperations);

/** The cases of every operation. One that is exported and missing here is a compile error. */
export const cases = {
  ...elementwiseCases,
  ...comparisonCases,
  ...reductionCases,
  ...matmulCases,
  ...shapeCases,
  ...networkCases,
  ...attentionCases,
} satisfies Record<OperationName, OperationCases> as Record<OperationName, OperationCases>;

/** The names of all operations, in the order of the table. */
export const operationNames = Object.keys(cases) as OperationName[];

function omit<T extends object, K extends keyof T>(object: T, names: readonly K[]): Omit<T, K> {
  const kept = Object.entries(object).filter(([name]) => !names.includes(name as K));
  return Object.fromEntries(kept) as Omit<T, K>;
}
