/** The objective of classification: documents of any length, read by an encoder. */
import { argmax, crossEntropy, type Key, type Tensor, tensor } from '../../autograd/index.js';
import type { DocumentSegments, EncoderRMT, SegmentClasses } from '../../models/encoder-rmt.js';
import { isCapturable } from '../../models/segment-model.js';
import type { DocumentTask } from '../../tasks/documents.js';
import { requireClasses } from '../check.js';
import type { Objective } from '../loop.js';
import { parametersOf } from '../parameters.js';
import type { LearningOptions, TaskReport } from './objective.js';

/** Learns the classes of one batch of documents in each step. */
export function documentsObjective(options: LearningOptions): Objective<TaskReport> {
  const { batchSize, segmentLength } = options;
  const model = options.model as EncoderRMT;
  const task = options.task as DocumentTask;
  return {
    parameters: parametersOf('train', model),
    isCapturable: isCapturable(model),
    next(_, { data, dropout }) {
      const batch = task.documents(data, batchSize);
      const most = Math.min(task.classes.length, model.config.classes);
      requireClasses(`train: the task '${task.name}'`, batch, most);
      const { documents, classes } = batch;
      const lengths = documents.map(({ length }) => length);
      type Inputs = { segments: DocumentSegments[]; wanted: Tensor; key: Key };
      return {
        inputs(): Inputs[] {
          const segments = model.segments(documents);
          const { backend } = segments[0].tokens;
          return [
            { segments, wanted: tensor(Int32Array.from(classes), { backend }), key: dropout },
          ];
        },
        loss(part) {
          const { segments, wanted, key } = part as Inputs;
          const logits = lastLogits(model, segments, key);
          return { loss: crossEntropy(logits, wanted), predictions: [argmax(logits, -1)] };
        },
        segments: 0,
        report: ([predicted]) => ({
          accuracy: classes.filter((wanted, i) => predicted[i] === wanted).length / classes.length,
          tokens: lengths.reduce((sum, length) => sum + length, 0),
          length: Math.max(...lengths),
          segmentLength,
        }),
      };
    },
  };
}

/** Returns the encoder's logits after the last segment, [documents, classes]. */
export function lastLogits(
  model: EncoderRMT,
  documents: readonly Int32Array[] | readonly DocumentSegments[],
  key?: Key,
): Tensor {
  return (model.forward(documents, key).at(-1) as SegmentClasses).logits;
}
