/** Compares evaluation fixtures: greedy answers, teacher-forced and free-running. */
import { argmax, type Backend, MemgradError, scope, type Tree, tensor } from 'memgrad';
import { detach, type SegmentModel } from 'memgrad/models';
import type { Batch } from 'memgrad/tasks';
import { columns, cutSegments, sequenceLoss } from 'memgrad/training';
import { compare, type ParityRow } from './compare.js';
import { disposeAll, finallyDispose, type ParityContext } from './context.js';
import type { EvaluationCase, FixtureTensor } from './fixture.js';
import { fixtureModel } from './model.js';
import { batchOf, chunkLength, tokensOf } from './tokens.js';

/**
 * Compares the loss, both kinds of predictions, and how many of them are right. Yields a row per
 * field.
 */
export async function* runEvaluation(
  fixture: EvaluationCase,
  { backend, tolerance }: ParityContext,
): AsyncGenerator<ParityRow, void, void> {
  const { config, params, data, target, answer_size } = fixture;
  const { tgt_len, n_token } = config;
  const batch = batchOf(data, target, answer_size, n_token);
  const { size, time } = batch;
  const question = time - answer_size;
  if (question < 0) {
    throw new MemgradError(
      `answer_size is ${answer_size}, but the data has ${time} rows; check the fixture.`,
    );
  }
  const targets = tokensOf('target', target, n_token).tokens;
  const model = fixtureModel(config, params, {}, backend);
  const { loss, forced, free } = await finallyDispose(model, async () => {
    const segments = cutSegments(batch, chunkLength(time, tgt_len));
    const loss = scope(() => sequenceLoss(model, segments, size, { backend }).loss);
    const reader = () => new Reader(model, batch, backend);
    const ours = {
      loss: await loss.item(),
      forced: await readTruth(reader(), chunkLength(time, tgt_len)),
      // Answers shorter than a segment are only evaluated with teacher forcing.
      free:
        answer_size < tgt_len
          ? undefined
          : await answerFreely(reader(), targets, question, tgt_len),
    };
    loss.dispose();
    return ours;
  });

  const right = (predictions: Int32Array) =>
    predictions.filter((token, i) => i % time >= question && token === targets[i]).length;
  const against = (field: string, ours: number, expected: number) =>
    compare(field, [ours], [expected], tolerance);
  const tokens = (field: string, ours: Int32Array, expected: FixtureTensor) =>
    compare(field, ours, tokensOf(field, expected, n_token).tokens, tolerance);
  const total = size * answer_size;
  yield against('loss', loss, fixture.loss);
  yield tokens('teacher_forced_argmax', forced, fixture.teacher_forced_argmax);
  const { num_correct, num_correct_teacher_forced, num_total, returned_accuracy } = fixture;
  yield against('num_correct_teacher_forced', right(forced), num_correct_teacher_forced);
  if (free && fixture.free_running_target_preds) {
    yield tokens('free_running_target_preds', free, fixture.free_running_target_preds);
  }
  yield against('num_correct', free ? right(free) : 0, num_correct);
  yield against('num_total', total, num_total);
  yield against('returned_accuracy', right(free ?? forced) / total, returned_accuracy);
}

/** Reads a batch in parts; `inputs` may be changed between them. */
class Reader {
  readonly inputs: Int32Array;
  #state: Tree;

  constructor(
    readonly model: SegmentModel,
    readonly batch: Batch,
    readonly backend: Backend,
  ) {
    this.inputs = batch.inputs.slice();
    this.#state = scope(() => model.initialState(batch.size));
  }

  /**
   * Returns the most likely next token after each of `count` columns, row-major [size, count].
   * `advance` keeps the resulting state for the next part.
   */
  async read(start: number, count: number, advance: boolean): Promise<ArrayLike<number>> {
    const { model, batch, backend } = this;
    const shape = [batch.size, count];
    const { likeliest, state } = scope(() => {
      const tokens = tensor(columns(this.inputs, batch, start, count), { shape, backend });
      const { logits, state } = model.forward(tokens, this.#state);
      return { likeliest: argmax(logits, -1), state: detach(state) };
    });
    const predictions = await likeliest.data();
    likeliest.dispose();
    disposeAll(advance ? this.#state : state);
    if (advance) this.#state = state;
    return predictions;
  }

  dispose(): void {
    disposeAll(this.#state);
  }
}

/** Returns teacher-forced predictions [size, time]. */
async function readTruth(reader: Reader, length: number): Promise<Int32Array> {
  const { size, time } = reader.batch;
  const predictions = new Int32Array(size * time);
  for (let start = 0; start < time; start += length) {
    const count = Math.min(length, time - start);
    const part = await reader.read(start, count, true);
    for (let i = 0; i < size * count; i++) {
      predictions[Math.floor(i / count) * time + start + (i % count)] = part[i];
    }
  }
  reader.dispose();
  return predictions;
}

/**
 * Returns the targets [size, time], with the answer replaced by free-running predictions. As in the
 * reference, the first input of every answer segment is the truth, which reveals the token that the
 * model should have predicted just before; `evaluate` in src/training doesn't do that.
 */
async function answerFreely(
  reader: Reader,
  targets: Int32Array,
  question: number,
  tgtLen: number,
): Promise<Int32Array> {
  const { size, time } = reader.batch;
  const predictions = targets.slice();
  const asked = chunkLength(question, tgtLen);
  for (let start = 0; start < question; start += asked) {
    await reader.read(start, Math.min(asked, question - start), true);
  }
  const answered = chunkLength(time - question, tgtLen);
  for (let start = question; start < time; start += answered) {
    const count = Math.min(answered, time - start);
    const last = Math.min(tgtLen, count) - 1;
    for (let at = 0; at <= last; at++) {
      const part = await reader.read(start, count, at === last);
      for (let row = 0; row < size; row++) {
        const token = part[row * count + at];
        predictions[row * time + start + at] = token;
        if (at < last) reader.inputs[row * time + start + at + 1] = token;
      }
    }
  }
  reader.dispose();
  return predictions;
}
