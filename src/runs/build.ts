/** Builds the objects that a configuration describes. */
import type { Backend } from '../backends/backend.js';
import { MemgradError } from '../errors.js';
import { createModel, type SegmentModel } from '../models/index.js';
import { backendKind, checkOptions } from '../options.js';
import { createTask, type Task, TextTask } from '../tasks/index.js';
import { requireFit } from '../training/check.js';
import { Carried, type TrainOptions } from '../training/index.js';
import { refuse } from './check.js';
import { checkRunConfig } from './config.js';
import type { RunConfig } from './schema.js';
import { buildParts } from './training-parts.js';

/**
 * Creates the task of a run; of a run on a text, it is `text`. Throws `MemgradError` unless the
 * model's vocabulary has the size of the task's, and for a text that is shorter than a segment for
 * each stream.
 */
export function buildTask(run: RunConfig, text?: TextTask): Task {
  checkRunConfig(run);
  const { config } = run.model;
  const task =
    run.task.name === 'text' ? textOf(run, text) : createTask(run.task.name, run.task.options);
  if (task.vocabulary !== config.nToken) {
    throw new MemgradError(
      `The model has nToken ${config.nToken}, but the task '${task.name}' with these options has ${task.vocabulary} different tokens; both must agree.`,
    );
  }
  return task;
}

function textOf({ training }: RunConfig, text: TextTask | undefined): TextTask {
  const { batchSize, segmentLength } = training;
  if (!(text instanceof TextTask)) refuse('text', text, 'a TextTask, as the run is on a text,');
  const tokens = text.segments('train', 1, 1) + 1;
  if (tokens > batchSize * segmentLength) return text;
  throw new MemgradError(
    `The text is too short: its first nine tenths have ${tokens} tokens, but ${batchSize} parallel streams in segments of ${segmentLength} need more than ${batchSize * segmentLength}; take a longer text, fewer streams (batchSize, --batch-size) or shorter segments.`,
  );
}

/**
 * Creates the model of a run with fresh parameters. Throws `MemgradError` for an invalid
 * configuration.
 */
export function buildModel(run: RunConfig, backend?: Backend) {
  const { name, config } = checkRunConfig(run).model;
  return createModel(name, { ...config, backend }, run.seed);
}

/**
 * The options to call `train` with for this run. The optimiser in them, and on a text what is
 * carried along it, are new and belong to the caller.
 */
export function buildTraining(
  run: RunConfig,
  parts: { model: SegmentModel; task: Task; backend?: Backend },
): TrainOptions {
  checkOptions('buildTraining', parts, { model: 1, task: 1, backend: backendKind });
  const { model, task, backend } = parts ?? {};
  requireFit('buildTraining', model, task, task instanceof TextTask ? 'segment' : 'batch');
  const { training, seed } = checkRunConfig(run);
  const { segmentLength, steps, batchSize, clip, bpttDepth } = training;
  const { checkpointSegments, nonFinite } = training;
  return {
    model,
    task,
    ...buildParts(training, task),
    segmentLength,
    steps,
    batchSize,
    seed,
    clip: clip ?? undefined,
    bpttDepth: bpttDepth ?? undefined,
    checkpointSegments,
    nonFinite,
    carried: task instanceof TextTask ? new Carried() : undefined,
    backend,
  };
}
