/** Held-out samples, and answers to them as text. */
import { type Backend, Key } from 'memgrad';
import type { SegmentModel } from 'memgrad/models';
import type { TrainingRun } from 'memgrad/runs';
import { type Batch, IGNORED, type Task } from 'memgrad/tasks';
import { answer } from 'memgrad/training';
import { PADDING, type Sample } from './messages.js';

/**
 * Returns the held-out sample with this number; `memgrad sample` shows the same with the seed of
 * the run.
 */
export function heldOut({ task, config }: TrainingRun, index: number): Batch {
  return task.batch(Key.of(config.seed).fold(2).fold(index), 1, 'test');
}

/** Returns the free-running answer of `model` to `batch`, one sample. */
export async function answerFreely(
  model: SegmentModel,
  batch: Batch,
  { task, config }: TrainingRun,
): Promise<Sample> {
  const how = { backend: backendOf(model) };
  const given = await answer(model, batch, config.training.segmentLength, how);
  const counted = (_: number, column: number) => batch.targets[column] !== IGNORED;
  return {
    prompt: textOf(task, batch.inputs.subarray(0, batch.promptLength)),
    answer: textOf(task, batch.targets.filter(counted)),
    given: textOf(task, given.filter(counted)),
  };
}

/** Returns each token as text. */
export function textOf(task: Task, tokens: ArrayLike<number>): string[] {
  return Array.from(tokens, (token) => task.show([token]) || PADDING);
}

/** The backend of a model. */
export function backendOf(model: SegmentModel): Backend {
  return Object.values(model.parameters())[0].backend;
}
