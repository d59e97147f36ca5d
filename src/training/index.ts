/**
 * Training: the loop, optimisers, schedules, curriculum, evaluation.
 *
 * @module memgrad/training
 */
import '../default-backend.js';

export type { Batches, Epochs, ShapedArray, Uploaded } from './batches.js';
export * from './carried.js';
export { Curriculum, type CurriculumOptions, type CurriculumState } from './curriculum.js';
export * from './evaluate.js';
export * from './evaluate-documents.js';
export * from './evaluate-stream.js';
export {
  type FitEvaluation,
  type FitOptions,
  type FitStep,
  fit,
  type LossContext,
  type LossResult,
} from './fit.js';
export { clipScale, type LoopOptions, nonFiniteChoices } from './loop.js';
export * from './optimizers/index.js';
export type { ParameterSource, Parametrized } from './parameters.js';
export { load, type Restored, type RestoreOptions, type SaveOptions, save } from './save.js';
export * from './schedules.js';
export {
  columns,
  cutSegments,
  type ReadOptions,
  type Segment,
  type SequenceLoss,
  sequenceLoss,
} from './segments.js';
export { type Rows, type ShuffledOptions, shuffled } from './shuffled.js';
export type { GradientNorms } from './step.js';
export { type Carry, type StreamLoss, streamLoss } from './stream-loss.js';
export {
  type TrainOptions,
  type TrainStep,
  train,
} from './train.js';
