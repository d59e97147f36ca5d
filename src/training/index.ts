/** Training: the loop, optimisers, schedules, curriculum, evaluation. */
export { Curriculum, type CurriculumOptions } from './curriculum.js';
export * from './evaluate.js';
export * from './optimizers.js';
export * from './schedules.js';
export {
  cutSegments,
  type ReadOptions,
  type Segment,
  type SequenceLoss,
  sequenceLoss,
} from './segments.js';
export { type TrainOptions, type TrainStep, train } from './train.js';
