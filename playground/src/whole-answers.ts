/** The accuracy of tasks that are measured by whole answers. */
import { Key, scope } from 'memgrad';
import type { TrainingRun } from 'memgrad/runs';
import { type Batch, IGNORED } from 'memgrad/tasks';
import { cutSegments, sequenceLoss } from 'memgrad/training';
import { READ } from './progress.js';
import { backendOf } from './samples.js';

/**
 * Returns the share of whole answers that the model of `run` has right, given the true tokens
 * before each, in held-out sequences that are new after every step. Most tokens of a task with
 * steps and padding are padding, which is easy to predict, so the share of right tokens would say
 * little.
 */
export async function wholeAnswers(run: TrainingRun): Promise<number> {
  const { model, task, config, step } = run;
  const batch = task.batch(Key.of(config.seed).fold(3).fold(step), READ, 'test');
  const segments = cutSegments(batch, config.training.segmentLength);
  const predictions = scope(
    () => sequenceLoss(model, segments, READ, { backend: backendOf(model) }).predictions,
  );
  const said = await Promise.all(predictions.map((tensor) => tensor.data()));
  for (const tensor of predictions) tensor.dispose();
  const columns = segments
    .filter(({ counted }) => counted > 0)
    .map(({ start, time }, i) => ({ start, time, said: said[i] }));
  return rightAnswers(batch, columns) / READ;
}

/**
 * Returns the number of rows of `batch` whose answer tokens are all right, given the predictions
 * for some of its columns.
 */
export function rightAnswers(
  { size, time: width, targets, promptLength, answerStart = promptLength - 1 }: Batch,
  columns: readonly { start: number; time: number; said: ArrayLike<number> }[],
): number {
  const isRight = (row: number) =>
    columns.every(({ start, time, said }) =>
      Array.from({ length: time }, (_, i) => i).every((i) => {
        const target = targets[row * width + start + i];
        const counts = target !== IGNORED && start + i >= answerStart;
        return !counts || said[row * time + i] === target;
      }),
    );
  return Array.from({ length: size }, (_, row) => isRight(row)).filter(Boolean).length;
}
