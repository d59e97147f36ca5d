/** What one step trains on: whole samples, the next segment of a stream, or documents. */
import { argmax, crossEntropy, type Key, type Tensor, tensor } from '../autograd/index.js';
import { uncaptured } from '../autograd/transforms/capture.js';
import type { Backend } from '../backends/backend.js';
import type { EncoderRMT, SegmentClasses } from '../models/encoder-rmt.js';
import type { SegmentModel } from '../models/segment-model.js';
import { check, whole } from '../options.js';
import type { AnyTask, DocumentTask, StreamTask, Task } from '../tasks/index.js';
import { IGNORED } from '../tasks/task.js';
import type { Carried } from './carried.js';
import { checkBatch, requireClasses } from './check.js';
import {
  cutSegments,
  type ReadOptions,
  readSegments,
  type Segment,
  segmentTensors,
} from './segments.js';
import { type Carry, readNext, uploadSegment } from './stream-loss.js';

/** Options that all steps share. */
export interface LessonOptions {
  model: SegmentModel | EncoderRMT;
  batchSize: number;
  bpttDepth?: number;
  checkpointSegments?: boolean;
  onProgress?: ReadOptions['onProgress'];
  /** The state that a stream carries between lessons. */
  carried: Carried;
  backend?: Backend;
}

/** The keys of a step's random numbers. */
interface StepKeys {
  readonly data: Key;
  readonly dropout: Key;
}

/** The loss of a lesson, the predictions and, along a stream, the carry. */
interface LessonLoss {
  loss: Tensor;
  predictions: Tensor[];
  carry?: Carry;
}

/** The data of one step. */
export interface Lesson {
  /** Uploads the data: the arguments of a captured loss. */
  inputs(): unknown;
  /**
   * Computes the loss of `inputs` for differentiation. The backward pass calls `seeStateGradient`
   * with the gradient by the state before each segment.
   */
  loss(inputs: unknown, seeStateGradient: ReadOptions['seeStateGradient']): LessonLoss;
  /** Number of segments that `seeStateGradient` is called for. */
  readonly segments: number;
  /** Share of targets that `predictions` match. */
  accuracy(predictions: readonly ArrayLike<number>[]): number;
  /** Number of tokens read. */
  readonly tokens: number;
  readonly length: number;
}

/** Builds the lessons of one training. */
export class Lessons {
  constructor(readonly options: LessonOptions) {}

  /**
   * Returns the lesson of `step`, counted from 1, in segments of `segmentLength` tokens. Throws
   * `MemgradError` for a batch that can't be trained on.
   */
  of(task: AnyTask, segmentLength: number, step: number, keys: StepKeys): Lesson {
    if ('documents' in task) return this.#documents(task, keys);
    if ('segment' in task) return this.#stream(task, segmentLength, step, keys);
    return this.#samples(task, segmentLength, keys);
  }

  #samples(task: Task, segmentLength: number, { data, dropout }: StepKeys): Lesson {
    const { batchSize, bpttDepth, checkpointSegments, onProgress, backend } = this.options;
    const read = { bpttDepth, checkpointSegments, onProgress, backend };
    const model = this.options.model as SegmentModel;
    const batch = task.batch(data, batchSize, 'train');
    checkBatch(`train: the task '${task.name}'`, batch, batchSize, task.vocabulary);
    const segments = cutSegments(batch, segmentLength);
    type Inputs = ReturnType<typeof segmentTensors> & { key: Key };
    return {
      inputs: (): Inputs => ({ ...segmentTensors(segments, batchSize, backend), key: dropout }),
      loss({ tensors, counted, key }: Inputs, seeStateGradient) {
        const how = { ...read, key, seeStateGradient };
        return readSegments(model, tensors, counted, batchSize, how);
      },
      segments: segments.length,
      accuracy: (predictions) => accuracyOf(segments, predictions),
      tokens: batch.inputs.length,
      length: task.length,
    };
  }

  /**
   * The next segment in each step; after the last one the streams start over, with nothing carried.
   */
  #stream(task: StreamTask, segmentLength: number, step: number, { dropout }: StepKeys): Lesson {
    const { batchSize, bpttDepth, carried, backend } = this.options;
    const model = this.options.model as SegmentModel;
    const where = `train: the task '${task.name}'`;
    const count = task.segments('train', batchSize, segmentLength);
    check(`${where}: segments()`, count, whole());
    const index = (step - 1) % count;
    if (index === 0) carried.keep(undefined);
    const batch = task.segment('train', batchSize, segmentLength, index);
    checkBatch(where, batch, batchSize, task.vocabulary);
    const [segment] = cutSegments(batch, segmentLength);
    type Inputs = ReturnType<typeof uploadSegment> & { carry: Carry | undefined; key: Key };
    return {
      inputs: (): Inputs => ({
        ...uploadSegment(segment, batchSize, backend),
        carry: carried.carry,
        key: dropout,
      }),
      loss({ carry, key, ...tensors }: Inputs) {
        const how = { key, bpttDepth };
        return { ...readNext(model, tensors, segment, batchSize, carry, how), predictions: [] };
      },
      segments: 0,
      accuracy: () => Number.NaN,
      tokens: batch.inputs.length,
      length: batch.time,
    };
  }

  #documents(task: DocumentTask, { data, dropout }: StepKeys): Lesson {
    const model = this.options.model as EncoderRMT;
    const batch = task.documents(data, this.options.batchSize);
    const most = Math.min(task.classes.length, model.config.classes);
    requireClasses(`train: the task '${task.name}'`, batch, most);
    const { documents, classes } = batch;
    const lengths = documents.map(({ length }) => length);
    return {
      inputs: () => undefined,
      loss() {
        uncaptured(); // documents are sorted by length on the host
        const logits = lastLogits(model, documents, dropout);
        const wanted = tensor(Int32Array.from(classes), { backend: logits.backend });
        return { loss: crossEntropy(logits, wanted), predictions: [argmax(logits, -1)] };
      },
      segments: 0,
      accuracy: ([predicted]) =>
        classes.filter((wanted, i) => predicted[i] === wanted).length / classes.length,
      tokens: lengths.reduce((sum, length) => sum + length, 0),
      length: Math.max(...lengths),
    };
  }
}

/** Returns the encoder's logits after the last segment, [documents, classes]. */
export function lastLogits(model: EncoderRMT, documents: readonly Int32Array[], key?: Key): Tensor {
  return (model.forward(documents, key).at(-1) as SegmentClasses).logits;
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
