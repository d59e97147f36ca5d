/** A run on a task whose samples stand for themselves. */
import { type RunConfig, saveRun } from '../../runs/index.js';
import { runEvaluation, runTraining } from '../training.js';
import type { Finished } from './measured.js';
import type { RunOptions } from './run-folder.js';

const SAMPLES = 256; // held-out samples to answer

/** Trains and evaluates. Throws `Interrupted` when a signal comes. */
export async function runTask(
  config: RunConfig,
  { context, label }: RunOptions,
): Promise<Finished> {
  const { model, task, step, seconds } = await runTraining(config, context, label);
  await context.interrupt.check();
  const { accuracy, exact, samples } = await runEvaluation(
    { model, task, config, samples: SAMPLES, seed: config.seed, backend: context.backend },
    context,
    label,
  );
  const parameters = model.parameterCount();
  return {
    measured: { config, parameters, steps: step, seconds, scores: { accuracy, exact }, samples },
    save: (storage) => saveRun(storage, { config, model, step }),
    dispose: () => model.dispose(),
  };
}
