/** Evaluation with free-running answers: the model reads its own predictions. */
import {
  argmax,
  Key,
  scope,
  type Tensor,
  type Tree,
  tensor,
  treeLeaves,
} from '../autograd/index.js';
import type { Backend } from '../backends/backend.js';
import { outputOf, type SegmentModel } from '../models/segment-model.js';
import { callable, check, checkOptions, flag, needed, whole } from '../options.js';
import { type Batch, IGNORED, type Task } from '../tasks/task.js';
import { checkBatch, requireFit, requireLanguageModel } from './check.js';
import { columns } from './segments.js';

/** Options of `evaluate`. */
export interface EvaluateOptions {
  model: SegmentModel;
  task: Task;
  segmentLength: number;
  /** Number of held-out sequences to answer. Default 256. */
  samples?: number;
  /** Sequences per forward pass. Default 64. */
  batchSize?: number;
  seed?: number;
  backend?: Backend;
  /**
   * Scores as the published scripts do, for comparison: the first input of every answer segment is
   * the truth, which reveals the token that the model should have predicted just before; and where
   * steps precede the answer, its first token doesn't count towards `exact`. Default false.
   */
  likeReference?: boolean;
  /**
   * Called with the completed share after each forward pass over a segment, and awaited. An error
   * that it throws ends the evaluation.
   */
  onProgress?: (share: number) => void | Promise<void>;
}

/** The result of `evaluate`. */
export interface Evaluation {
  /** Share of correct answer tokens. */
  readonly accuracy: number;
  /** Share of answers without any error; errors in steps before the answer don't count. */
  readonly exact: number;
  readonly samples: number;
  /** The first sequence as text, for people to read. */
  readonly example: { prompt: string; answer: string; predicted: string };
}

/**
 * Answers held-out sequences. From the first answer token on, the model reads only its own
 * predictions: no ground truth enters the answer, not even at the start of a segment. Throws
 * `MemgradError` for an option out of range, and for a task that doesn't fit the model.
 */
export async function evaluate(options: EvaluateOptions): Promise<Evaluation> {
  checkOptions('evaluate', options, {
    model: 1,
    task: 1,
    segmentLength: needed(whole()),
    samples: whole(),
    batchSize: whole(),
    seed: 1,
    backend: 1,
    likeReference: flag,
    onProgress: callable,
  });
  const { model, task, segmentLength, samples = 256, batchSize = 64, seed = 0 } = options;
  requireFit('evaluate', model, task, 'batch');
  const { backend, likeReference = false } = options;
  const key = Key.of(seed).fold(2); // 0 draws training batches, 1 dropout
  let right = 0;
  let asked = 0;
  let exact = 0;
  let example: Evaluation['example'] | undefined;
  for (let done = 0, index = 0; done < samples; index++) {
    const size = Math.min(batchSize, samples - done);
    const batch = task.batch(key.fold(index), size, 'test');
    checkBatch(`evaluate: the task '${task.name}'`, batch, size, task.vocabulary);
    const onProgress = (share: number) => options.onProgress?.((done + share * size) / samples);
    const answers = await answer(model, batch, segmentLength, {
      backend,
      likeReference,
      onProgress,
    });
    const judgedFrom = startOfAnswer(batch, likeReference);
    for (let row = 0; row < batch.size; row++) {
      let errors = 0;
      for (let column = 0; column < batch.time; column++) {
        const at = row * batch.time + column;
        if (batch.targets[at] === IGNORED) continue;
        asked++;
        if (answers[at] === batch.targets[at]) right++;
        else if (column >= judgedFrom) errors++;
      }
      if (errors === 0) exact++;
    }
    example ??= showFirst(task, batch, answers);
    done += batch.size;
  }
  return {
    accuracy: right / asked,
    exact: exact / samples,
    samples,
    example: example as Evaluation['example'],
  };
}

/** The first column of the answer that `exact` considers. */
function startOfAnswer({ promptLength, answerStart = promptLength - 1 }: Batch, loose: boolean) {
  return answerStart + (loose && answerStart >= promptLength ? 1 : 0);
}

/**
 * Returns predictions [size, time] for every position from the end of the prompt on, each from its
 * predecessors.
 */
export async function answer(
  model: SegmentModel,
  batch: Batch,
  segmentLength: number,
  options: Pick<EvaluateOptions, 'backend' | 'likeReference' | 'onProgress'> = {},
): Promise<Int32Array> {
  requireLanguageModel('answer', model);
  checkBatch('answer', batch);
  checkOptions('answer', options, { backend: 1, likeReference: flag, onProgress: callable });
  check('evaluate: segmentLength', segmentLength, whole());
  const { backend, likeReference = false } = options;
  const { size, time, promptLength, answerStart = 0 } = batch;
  check('evaluate: promptLength', promptLength, whole(1, time));
  check('evaluate: answerStart', answerStart, whole(0, time));
  const predictions = new Int32Array(size * time);
  const inputs = new Int32Array(size * time); // zeros where nothing is known yet: no position looks ahead
  for (let row = 0; row < size; row++) {
    inputs.set(batch.inputs.subarray(row * time, row * time + promptLength), row * time);
  }
  let state: Tree = scope(() => model.initialState(size));
  try {
    for (let start = 0; start < time; start += segmentLength) {
      const length = Math.min(segmentLength, time - start);
      const end = start + length;
      // Each pass reads the predictions of the previous one, and settles everything up to the first
      // input that it changes itself. The last pass changes none, so its state is final.
      for (let at = Math.max(start, Math.min(promptLength, end) - 1); at < end; ) {
        const known = columns(inputs, batch, start, length);
        const next = scope(() => {
          const { logits, state: after } = outputOf(
            model,
            tensor(known, { shape: [size, length], backend }),
            state,
          );
          return { predicted: argmax(logits, -1), after };
        });
        const predicted = await next.predicted.data();
        next.predicted.dispose();
        let settled = end;
        for (let row = 0; row < size; row++) {
          for (let column = at; column < end; column++) {
            const token = predicted[row * length + column - start];
            predictions[row * time + column] = token;
            const read = column + 1;
            if (read < promptLength || read === time) continue;
            const truth = likeReference && read === end;
            const input = truth ? batch.inputs[row * time + read] : token;
            if (read < end && input !== inputs[row * time + read])
              settled = Math.min(settled, read);
            inputs[row * time + read] = input;
          }
        }
        at = settled;
        if (at < end) for (const part of ownLeaves(next.after, state)) part.free(DONE);
        else {
          for (const part of ownLeaves(state, next.after)) part.free(DONE);
          state = next.after;
        }
        await options.onProgress?.(at / time);
      }
    }
  } finally {
    for (const part of treeLeaves(state)) part.free(DONE);
  }
  return predictions;
}

/** For a model that keeps a state and uses it later. */
const DONE = 'evaluate had freed it; keep identity(x)';

/** The tensors of `state` that `other` doesn't share. */
function ownLeaves(state: Tree, other: Tree): Tensor[] {
  const shared = new Set(treeLeaves(other));
  return treeLeaves(state).filter((tensor) => !shared.has(tensor));
}

function showFirst(
  task: Task,
  { inputs, targets, time, promptLength }: Batch,
  answers: Int32Array,
) {
  const counted = Array.from({ length: time }, (_, at) => at).filter(
    (at) => targets[at] !== IGNORED,
  );
  return {
    prompt: task.show(inputs.subarray(0, promptLength)),
    answer: task.show(counted.map((at) => targets[at])),
    predicted: task.show(counted.map((at) => answers[at])),
  };
}
