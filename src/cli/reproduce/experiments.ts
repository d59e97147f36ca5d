/** The paper's tables and figures, and what we asked besides. */
import { taskExperiments } from './task-experiments.js';
import { textExperiments } from './text-experiments.js';

/** The experiments by name. */
export const experiments = { ...taskExperiments, ...textExperiments };

/** The name of an experiment. */
export type ExperimentName = keyof typeof experiments;
/** The names that `memgrad reproduce` takes. */
export const experimentNames = Object.keys(experiments) as ExperimentName[];
