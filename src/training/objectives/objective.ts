/** What the objectives of tasks have in common. */
import type { Backend } from '../../backends/backend.js';
import type { EncoderRMT } from '../../models/encoder-rmt.js';
import type { SegmentModel } from '../../models/segment-model.js';
import type { AnyTask } from '../../tasks/index.js';
import type { Carried } from '../carried.js';
import type { Curriculum } from '../curriculum.js';
import type { ReadOptions } from '../segments.js';

/** The options of `train` that say what is learnt. */
export interface LearningOptions {
  model: SegmentModel | EncoderRMT;
  task: AnyTask;
  segmentLength: number;
  batchSize: number;
  bpttDepth?: number;
  checkpointSegments?: boolean;
  onProgress?: ReadOptions['onProgress'];
  curriculum?: Curriculum;
  /** The state that a stream carries between steps. */
  carried: Carried;
  backend?: Backend;
}

/** What a step on a task reports. */
export interface TaskReport {
  /** Share of targets that were predicted correctly; NaN where it isn't computed. */
  readonly accuracy: number;
  /** Number of tokens read. */
  readonly tokens: number;
  readonly length: number;
  readonly segmentLength: number;
}
