/** The paper's tables and figures, and our own experiments. */
import { taskExperiments } from './task-experiments.js';
import { textExperiments } from './text-experiments.js';

/** The experiments by name. */
export const experiments = { ...taskExperiments, ...textExperiments };

/** The name of an experiment. */
export type ExperimentName = keyof typeof experiments;
/** The names that `memgrad reproduce` accepts. */
export const experimentNames = Object.keys(experiments) as ExperimentName[];
