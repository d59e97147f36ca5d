/**
 * Training: the loop, optimisers, schedules, curriculum, evaluation.
 *
 * @module memgrad/training
 */
export { Curriculum, type CurriculumOptions } from './curriculum.js';
export * from './evaluate.js';
export * from './evaluate-documents.js';
export * from './evaluate-stream.js';
export * from './optimizers.js';
export * from './schedules.js';
export {
  columns,
  cutSegments,
  type ReadOptions,
  type Segment,
  type SequenceLoss,
  sequenceLoss,
} from './segments.js';
export * from './stream-loss.js';
export { clipScale, type TrainOptions, type TrainStep, train } from './train.js';
