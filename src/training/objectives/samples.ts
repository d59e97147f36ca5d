/** The objective of tasks with independent samples: whole sequences, segment by segment. */
import type { Key } from '../../autograd/index.js';
import { isCapturable, type SegmentModel } from '../../models/segment-model.js';
import { IGNORED, type Task } from '../../tasks/task.js';
import { checkBatch } from '../check.js';
import type { Objective } from '../loop.js';
import { cutSegments, readSegments, type Segment, segmentTensors } from '../segments.js';
import type { LearningOptions, TaskReport } from './objective.js';

/** Learns one batch of sequences in each step. */
export function samplesObjective(options: LearningOptions): Objective<TaskReport> {
  const { batchSize, bpttDepth, checkpointSegments, onProgress, curriculum, backend } = options;
  const read = { bpttDepth, checkpointSegments, onProgress, backend };
  const model = options.model as SegmentModel;
  return {
    parameters: model.parameters(),
    isCapturable: isCapturable(model),
    next(_, { data, dropout }) {
      const task = curriculum?.task ?? (options.task as Task);
      const { segmentLength = options.segmentLength } = curriculum ?? options;
      const batch = task.batch(data, batchSize, 'train');
      checkBatch(`train: the task '${task.name}'`, batch, batchSize, task.vocabulary);
      const segments = cutSegments(batch, segmentLength);
      type Inputs = ReturnType<typeof segmentTensors> & { key: Key };
      return {
        inputs: (): Inputs[] => [{ ...segmentTensors(segments, batchSize, backend), key: dropout }],
        loss(part, seeStateGradient) {
          const { tensors, counted, key } = part as Inputs;
          const how = { ...read, key, seeStateGradient };
          return readSegments(model, tensors, counted, batchSize, how);
        },
        segments: segments.length,
        report: (predictions) => ({
          accuracy: accuracyOf(segments, predictions),
          tokens: batch.inputs.length,
          length: task.length,
          segmentLength,
        }),
        taken: ({ accuracy }) => curriculum?.observe(accuracy),
      };
    },
  };
}

function accuracyOf(segments: readonly Segment[], predicted: readonly ArrayLike<number>[]): number {
  let right = 0;
  let counted = 0;
  segments
    .filter((segment) => segment.counted > 0)
    .forEach(({ targets }, index) => {
      targets.forEach((target, at) => {
        if (target === IGNORED) return;
        counted++;
        if (predicted[index][at] === target) right++;
      });
    });
  return right / counted;
}
