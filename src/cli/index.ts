/**
 * What the commands of `experiments/` share with the commands here. `exports` of package.json
 * leaves `memgrad/cli` out, so it can be imported only where tsconfig.json resolves it.
 */
export { describe, shownPath } from '../errors.js';
export * from '../runs/check.js';
export { requireEmpty } from '../runs/files.js';
export { explained } from '../runs/node/explained.js';
export { readWhole } from '../runs/node/folder-storage.js';
export { type CommonOptions, type Context, commonOptions, openContext } from './context.js';
export { clock, count, fit, plural, printable, recentMean, wrap } from './format.js';
export * as read from './parsers.js';
export { trainingPresets } from './presets.js';
export { type Columns, table } from './table.js';
export { runEvaluation, runTraining } from './training.js';
