/** Training and evaluation in commands: with progress lines, signals and measurements. */
import type { Backend } from '../backends/index.js';
import type { SegmentModel } from '../models/index.js';
import type { RunConfig, TrainingRun } from '../runs/index.js';
import { type Task, TextTask } from '../tasks/index.js';
import {
  type Evaluation,
  evaluate,
  evaluateStream,
  type StreamEvaluation,
  type TrainStep,
} from '../training/index.js';
import type { Context } from './context.js';
import { describeEvaluation, unitOf } from './describe-evaluation.js';
import { clock, percent, plural, rate, recentMean } from './format.js';

const WINDOW = 10; // steps that the shown loss and accuracy are averaged over
const EVALUATION_BATCH = 32;
/** Milliseconds between checks for signals; each check costs a millisecond. */
const LOOK_MS = 50;

/** The result of a training. */
export interface Trained {
  readonly model: SegmentModel;
  readonly task: Task;
  /** All steps taken, including those before the run was resumed. */
  readonly step: number;
  /** Means over the last ten steps. */
  readonly loss: number;
  readonly accuracy: number;
  /** Seconds that these steps took. */
  readonly seconds: number;
  /** The accuracy of every step since the run was resumed. */
  readonly accuracies: readonly number[];
  readonly interrupted: boolean;
}

/** Trains `run` to its end, with a progress line that begins with `label`. */
export async function runTraining(
  run: TrainingRun,
  { output, interrupt }: Context,
  { label = '', checkFinite = false } = {},
): Promise<Trained> {
  const { config, model, task } = run;
  const started = performance.now();
  const recent: TrainStep[] = [];
  const accuracies: number[] = [];
  let skipped = 0;
  let begun = started;
  const { signal } = interrupt;
  const onProgress = (share: number) => {
    interrupt.checkNow();
    if (share === 0) {
      begun = performance.now();
      interrupt.nothingToLose = run.isSaved;
    }
    const step = run.step + 1;
    if (share > 0 || accuracies.length === 0) {
      output.live(() => label + stepLine(step, share, config, performance.now() - begun));
    }
  };
  const mean = (field: 'loss' | 'accuracy') => meanOf(recent, field);
  try {
    for await (const step of run.train({ signal, checkFinite, onProgress })) {
      recent.push(step);
      if (recent.length > WINDOW) recent.shift(); // a run may have millions
      interrupt.nothingToLose = false;
      accuracies.push(step.accuracy);
      if (step.skipped !== undefined) skipped++;
      output.event('step', { ...(label && { model: config.model.name }), ...step });
      output.live(() => label + progressLine(recent, accuracies.length, skipped, config, started));
    }
  } catch (error) {
    if (error !== signal.reason) {
      output.settle();
      throw error;
    }
  }
  return {
    model,
    task,
    step: run.step,
    loss: mean('loss'),
    accuracy: mean('accuracy'),
    seconds: run.seconds,
    accuracies,
    interrupted: signal.aborted,
  };
}

/** The mean over the steps that were not skipped. */
function meanOf(steps: readonly TrainStep[], field: 'loss' | 'accuracy' | 'tokensPerSecond') {
  const counted = steps.filter(({ skipped }) => skipped === undefined);
  return recentMean((counted.length > 0 ? counted : steps).map((step) => step[field]));
}

function progressLine(
  recent: readonly TrainStep[],
  taken: number,
  skipped: number,
  { training: { steps, curriculum } }: RunConfig,
  started: number,
): string {
  const average = (field: 'loss' | 'accuracy' | 'tokensPerSecond') => meanOf(recent, field);
  const seconds = (performance.now() - started) / 1000;
  const { step, length, segmentLength } = recent[recent.length - 1];
  const left = (seconds / taken) * (steps - step);
  return [
    `step ${String(step).padStart(String(steps).length)}/${steps}`,
    ...(curriculum ? [`length ${length}`] : []),
    ...(curriculum?.cuts ? [`segments of ${segmentLength}`] : []),
    `loss ${average('loss').toFixed(3)}`,
    // Along a text it isn't computed.
    ...(Number.isNaN(recent[0].accuracy)
      ? []
      : [`accuracy ${percent(average('accuracy')).padStart(5)}`]),
    `${rate(average('tokensPerSecond'))} tokens/s`,
    ...(skipped > 0 ? [`${skipped} skipped`] : []),
    `${clock(left)} left`,
  ].join('  ');
}

/** The progress within a long step. */
function stepLine(
  step: number,
  share: number,
  { training: { steps } }: RunConfig,
  passed: number,
): string {
  const counter = `step ${String(step).padStart(String(steps).length)}/${steps}`;
  if (share === 0) return `${counter} begins`;
  return `${counter}  ${percent(share)} of it in ${clock(passed / 1000)}`;
}

/** The task, model and samples for `runEvaluation`. */
export interface EvaluationTarget {
  model: SegmentModel;
  task: Task;
  config: RunConfig;
  samples: number;
  seed: number;
  backend: Backend;
  likeReference?: boolean;
}

/** Evaluates as `runEvaluation` does, a text by its stream, and prints the result. */
export async function evaluateAndPrint(
  target: EvaluationTarget,
  context: Context,
  fields: object = {},
): Promise<void> {
  const { output } = context;
  const { task } = target;
  if (task instanceof TextTask) {
    const { tokens, ...scores } = await evaluateText({ ...target, task }, context);
    output.event('evaluation', { ...fields, ...scores, tokens });
    output.print(`Held-out text: ${unitOf(task, scores.loss)}, over ${plural(tokens, 'token')}.`);
  } else {
    const evaluation = await runEvaluation(target, context);
    output.event('evaluation', { ...fields, chance: task.chance, ...evaluation });
    output.print(describeEvaluation(evaluation, task, output));
  }
}

/** Evaluates on `samples` segments of the last part of a text, in parallel streams of it. */
async function evaluateText(
  { model, task, config, samples, backend }: EvaluationTarget & { task: TextTask },
  { output, interrupt }: Context,
): Promise<StreamEvaluation> {
  const { segmentLength } = config.training;
  const streams = Math.min(EVALUATION_BATCH, samples);
  const batchSize = Math.min(streams, task.segments('test', 1, segmentLength));
  const segments = Math.ceil(samples / batchSize);
  const evaluation = await evaluateStream({
    ...{ model, task, segmentLength, batchSize, segments, backend },
    onProgress: async (share) => {
      output.live(() => `read ${percent(share)} of the held-out text`);
      await interrupt.check();
    },
  });
  output.settle();
  return evaluation;
}

/** Evaluates with a progress line. Throws `Interrupted` on a signal. */
export async function runEvaluation(
  { model, task, config, samples, seed, backend, likeReference }: EvaluationTarget,
  { output, interrupt }: Context,
  label = '',
): Promise<Evaluation> {
  output.live(() => `${label}answering ${samples} held-out sequences`);
  let looked = performance.now();
  const evaluation = await evaluate({
    ...{ model, task, samples, seed, backend, likeReference },
    segmentLength: config.training.segmentLength,
    batchSize: EVALUATION_BATCH,
    onProgress: async (share) => {
      output.live(
        () => `${label}answered ${Math.round(share * samples)} of ${samples} held-out sequences`,
      );
      if (performance.now() - looked < LOOK_MS && share < 1) return;
      await interrupt.check();
      looked = performance.now();
    },
  });
  output.settle();
  return evaluation;
}
