/** Optimisers, one to a file. */
import { refuseName } from '../../options.js';
import { Adam, type AdamOptions, AdamW } from './adam.js';
import type { Optimizer } from './optimizer.js';
import { SGD, type SGDOptions } from './sgd.js';

export { Adafactor, type AdafactorOptions } from './adafactor.js';
export { Adam, type AdamOptions, AdamW } from './adam.js';
export { withAverages } from './averages.js';
export type { CommonOptions, ParameterGroup } from './device-optimizer.js';
export { Muon, type MuonOptions } from './muon.js';
export type { Named, Optimizer, StepOptions } from './optimizer.js';
export { RMSprop, type RMSpropOptions } from './rmsprop.js';
export { SGD, type SGDOptions } from './sgd.js';

/** The optimisers that the configuration of a run names. */
const optimizers = { sgd: SGD, adam: Adam, adamw: AdamW };

/** The name of an optimiser. */
export type OptimizerName = keyof typeof optimizers;
/** The names that `createOptimizer` accepts: those that the configuration of a run may have. */
export const optimizerNames = Object.keys(optimizers) as OptimizerName[];

/**
 * Returns the optimiser called `name`. Throws `MemgradError` for an unknown name, and for an option
 * that this optimiser doesn't have or that is out of range.
 */
export function createOptimizer(
  name: OptimizerName,
  options: AdamOptions & SGDOptions = {},
): Optimizer {
  if (!optimizerNames.includes(name))
    refuseName('createOptimizer', 'optimiser', name, optimizerNames);
  return new optimizers[name](options);
}
