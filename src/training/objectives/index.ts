/** The objective that learns a task. */
import { kindOf } from '../check.js';
import type { Objective } from '../loop.js';
import { documentsObjective } from './documents.js';
import type { LearningOptions, TaskReport } from './objective.js';
import { samplesObjective } from './samples.js';
import { streamObjective } from './stream.js';

/** By the method that a task draws its data with. */
const objectives = {
  documents: documentsObjective,
  segment: streamObjective,
  batch: samplesObjective,
};

/** Returns the objective of `options.task`. */
export function objectiveOf(options: LearningOptions): Objective<TaskReport> {
  return objectives[kindOf(options.task) ?? 'batch'](options);
}
