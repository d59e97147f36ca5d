/** The objective of language modelling: the next segment of parallel streams in each step. */
import type { Key } from '../../autograd/index.js';
import { isCapturable, type SegmentModel } from '../../models/segment-model.js';
import { check, whole } from '../../options.js';
import type { StreamTask } from '../../tasks/stream.js';
import { checkBatch } from '../check.js';
import type { Objective } from '../loop.js';
import { cutSegments } from '../segments.js';
import { type Carry, readNext, uploadSegment } from '../stream-loss.js';
import type { LearningOptions, TaskReport } from './objective.js';

/**
 * Learns the next segment in each step; after the last one the streams start over, with nothing
 * carried.
 */
export function streamObjective(options: LearningOptions): Objective<TaskReport> {
  const { batchSize, bpttDepth, carried, segmentLength, backend } = options;
  const model = options.model as SegmentModel;
  const task = options.task as StreamTask;
  const where = `train: the task '${task.name}'`;
  return {
    parameters: model.parameters(),
    isCapturable: isCapturable(model),
    next(step, { dropout }) {
      const count = task.segments('train', batchSize, segmentLength);
      check(`${where}: segments()`, count, whole());
      const index = (step - 1) % count;
      if (index === 0) carried.keep(undefined);
      const batch = task.segment('train', batchSize, segmentLength, index);
      checkBatch(where, batch, batchSize, task.vocabulary);
      const [segment] = cutSegments(batch, segmentLength);
      type Inputs = ReturnType<typeof uploadSegment> & { carry: Carry | undefined; key: Key };
      return {
        inputs: (): Inputs[] => [
          { ...uploadSegment(segment, batchSize, backend), carry: carried.carry, key: dropout },
        ],
        loss(part) {
          const { carry, key, ...tensors } = part as Inputs;
          const how = { key, bpttDepth };
          return { ...readNext(model, tensors, segment, batchSize, carry, how), predictions: [] };
        },
        segments: 0,
        report: () => ({
          accuracy: Number.NaN,
          tokens: batch.inputs.length,
          length: batch.time,
          segmentLength,
        }),
        taken: (_, carry) => carried.keep(carry),
      };
    },
  };
}
