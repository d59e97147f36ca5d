/** Builds the objects that a configuration describes. */
import type { Backend } from '../backends/backend.js';
import { MemgradError } from '../errors.js';
import { createModel, type SegmentModel } from '../models/index.js';
import { backendKind, checkOptions } from '../options.js';
import { createTask, type Task } from '../tasks/index.js';
import { requireFit } from '../training/check.js';
import {
  Curriculum,
  constant,
  cosine,
  createOptimizer,
  onPlateau,
  type Schedule,
  type TrainOptions,
  warmUp,
} from '../training/index.js';
import { checkRunConfig, type RunConfig } from './config.js';

/**
 * Creates the task of a run. Throws `MemgradError` unless the model's vocabulary has the size of
 * the task's.
 */
export function buildTask(run: RunConfig): Task {
  checkRunConfig(run);
  const { name, options } = run.task;
  const { config } = run.model;
  const task = createTask(name, options);
  if (task.vocabulary !== config.nToken) {
    throw new MemgradError(
      `The model has nToken ${config.nToken}, but the task '${name}' with these options has ${task.vocabulary} different tokens; both must agree.`,
    );
  }
  return task;
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
 * The options to call `train` with for this run. The optimiser in them is new and belongs to the
 * caller.
 */
export function buildTraining(
  run: RunConfig,
  parts: { model: SegmentModel; task: Task; backend?: Backend },
): TrainOptions {
  checkOptions('buildTraining', parts, { model: 1, task: 1, backend: backendKind });
  const { model, task, backend } = parts ?? {};
  requireFit('buildTraining', model, task, 'batch');
  const { training, seed } = checkRunConfig(run);
  const { segmentLength, steps, batchSize, optimizer, clip, bpttDepth, curriculum } = training;
  const { checkpointSegments, nonFinite } = training;
  return {
    model,
    task,
    optimizer: buildOptimizer(optimizer),
    schedule: buildSchedule(training),
    segmentLength,
    steps,
    batchSize,
    seed,
    clip: clip ?? undefined,
    bpttDepth: bpttDepth ?? undefined,
    checkpointSegments,
    curriculum: curriculum ? new Curriculum(task, curriculum) : undefined,
    nonFinite,
    backend,
  };
}

/** SGD has no betas, but the configuration of a run has them for every optimiser. */
function buildOptimizer({ name, betas, ...options }: RunConfig['training']['optimizer']) {
  return createOptimizer(name, name === 'sgd' ? options : { ...options, betas });
}

function buildSchedule({ schedule, steps }: RunConfig['training']): Schedule {
  const after = { constant, cosine: () => cosine(steps), plateau: () => onPlateau() };
  const then = after[schedule.name]();
  return schedule.warmUp === 0 ? then : warmUp(schedule.warmUp, then);
}
