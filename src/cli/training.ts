/** Training and evaluation as commands run them: watched, stopped in time, measured. */
import type { Backend } from '../backends/index.js';
import type { SegmentModel } from '../models/index.js';
import { buildModel, buildTask, buildTraining, type RunConfig } from '../runs/index.js';
import type { Task } from '../tasks/index.js';
import { type Evaluation, evaluate, type TrainStep, train } from '../training/index.js';
import type { Context } from './context.js';
import { clock, percent, rate, recentMean } from './format.js';

const WINDOW = 10; // steps that a shown loss or accuracy is averaged over
const EVALUATION_BATCH = 32;

/** What came of a training. */
export interface Trained {
  readonly model: SegmentModel;
  readonly task: Task;
  /** Steps taken. */
  readonly step: number;
  /** Of the last ten steps. */
  readonly loss: number;
  readonly accuracy: number;
  readonly seconds: number;
  /** Of every step. */
  readonly accuracies: readonly number[];
  readonly interrupted: boolean;
}

/** Trains a new model as `config` says, with a line that shows how it goes, named `label` if there is one. */
export async function runTraining(
  config: RunConfig,
  { output, backend, interrupt }: Context,
  label = '',
): Promise<Trained> {
  const task = buildTask(config);
  const model = buildModel(config, backend);
  const options = buildTraining(config, { model, task, backend });
  const { stopAt } = config.training;
  const started = performance.now();
  const seen: TrainStep[] = [];
  const mean = (field: 'loss' | 'accuracy') => recentMean(seen.slice(-WINDOW).map((s) => s[field]));
  for await (const step of train({ ...options, signal: interrupt.signal })) {
    seen.push(step);
    output.event('step', { ...(label && { model: config.model.name }), ...step });
    output.live(() => label + progressLine(seen, config, started));
    const full = seen.slice(-WINDOW).filter(({ length }) => length === task.length);
    if (stopAt !== null && full.length === WINDOW && mean('accuracy') >= stopAt) break;
  }
  options.optimizer.dispose();
  return {
    model,
    task,
    step: seen.length,
    loss: mean('loss'),
    accuracy: mean('accuracy'),
    seconds: (performance.now() - started) / 1000,
    accuracies: seen.map(({ accuracy }) => accuracy),
    interrupted: interrupt.signal.aborted,
  };
}

function progressLine(
  seen: readonly TrainStep[],
  { training: { steps, curriculum } }: RunConfig,
  started: number,
): string {
  const recent = seen.slice(-WINDOW);
  const average = (field: 'loss' | 'accuracy' | 'tokensPerSecond') =>
    recentMean(recent.map((step) => step[field]));
  const seconds = (performance.now() - started) / 1000;
  const left = (seconds / seen.length) * (steps - seen.length);
  return [
    `step ${String(seen.length).padStart(String(steps).length)}/${steps}`,
    ...(curriculum ? [`length ${recent[recent.length - 1].length}`] : []),
    `loss ${average('loss').toFixed(3)}`,
    `accuracy ${percent(average('accuracy')).padStart(5)}`,
    `${rate(average('tokensPerSecond'))} tokens/s`,
    `${clock(left)} left`,
  ].join('  ');
}

/** What `runEvaluation` is to answer. */
export interface EvaluationTarget {
  model: SegmentModel;
  task: Task;
  config: RunConfig;
  samples: number;
  seed: number;
  backend: Backend;
  likeReference?: boolean;
}

/** Evaluates with a line that shows how far it is. Throws `Interrupted` when a signal comes. */
export async function runEvaluation(
  { config, samples, ...target }: EvaluationTarget,
  { output, interrupt }: Context,
  label = '',
): Promise<Evaluation> {
  output.live(() => `${label}answering ${samples} held-out sequences`);
  const evaluation = await evaluate({
    ...target,
    samples,
    segmentLength: config.training.segmentLength,
    batchSize: EVALUATION_BATCH,
    onProgress: async (share) => {
      output.live(
        () => `${label}answered ${Math.round(share * samples)} of ${samples} held-out sequences`,
      );
      await interrupt.check();
    },
  });
  output.settle();
  return evaluation;
}
