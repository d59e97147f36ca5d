/** The optimisers by name. A new optimiser needs a file of its own, an export and a line in the table. */
import { refuseName } from '../../options.js';
import { Adafactor } from './adafactor.js';
import { Adam, AdamW } from './adam.js';
import { Muon } from './muon.js';
import type { Optimizer } from './optimizer.js';
import { RMSprop } from './rmsprop.js';
import { SGD } from './sgd.js';

export { Adafactor, type AdafactorOptions } from './adafactor.js';
export { Adam, type AdamOptions, AdamW } from './adam.js';
export { withAverages } from './averages.js';
export type { CommonOptions, ParameterGroup } from './device-optimizer.js';
export { Muon, type MuonOptions } from './muon.js';
export type { Named, Optimizer, StepOptions } from './optimizer.js';
export { RMSprop, type RMSpropOptions } from './rmsprop.js';
export { SGD, type SGDOptions } from './sgd.js';

const optimizers = {
  sgd: SGD,
  adam: Adam,
  adamw: AdamW,
  rmsprop: RMSprop,
  adafactor: Adafactor,
  muon: Muon,
};

/** The name of an optimiser. */
export type OptimizerName = keyof typeof optimizers;
/** The names that `createOptimizer` accepts. */
export const optimizerNames = /* @__PURE__ */ Object.keys(optimizers) as OptimizerName[];

/** The options of the optimiser `Name`. */
export type OptimizerOptions<Name extends OptimizerName = OptimizerName> = NonNullable<
  ConstructorParameters<(typeof optimizers)[Name]>[0]
>;

/**
 * Returns the optimiser called `name`. Throws `MemgradError` for an unknown name, and for an option
 * that this optimiser doesn't have or that is out of range.
 */
export function createOptimizer<Name extends OptimizerName>(
  name: Name,
  options: OptimizerOptions<Name> = {},
): Optimizer {
  requireOptimizer('createOptimizer', name);
  return new optimizers[name](options);
}

/** Whether the optimiser `name` has this option. Throws `MemgradError` for an unknown name. */
export function optimizerHas(name: OptimizerName, option: string): boolean {
  requireOptimizer('optimizerHas', name);
  return Object.keys(optimizers[name].kinds()).includes(option);
}

function requireOptimizer(where: string, name: OptimizerName): void {
  if (!optimizerNames.includes(name)) refuseName(where, 'optimiser', name, optimizerNames);
}
