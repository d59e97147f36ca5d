/** A run on a task with independent samples. */
import { runEvaluation, runTraining } from 'memgrad/cli';
import { CONFIG_FILE, type RunConfig, type RunStorage, TrainingRun } from 'memgrad/runs';
import { type Measured, otherRun, type RunOptions } from './measured.js';

const SAMPLES = 256; // held-out samples to answer

/**
 * Trains in `storage`, continuing an earlier run there, and evaluates. Throws `Interrupted` on a
 * signal.
 */
export async function runTask(
  config: RunConfig,
  storage: RunStorage,
  { context, label, lengths = [] }: RunOptions,
): Promise<Measured> {
  const { backend, interrupt } = context;
  const begun = (await storage.list()).includes(CONFIG_FILE);
  const run = begun
    ? await TrainingRun.resume(storage, { backend })
    : await TrainingRun.start(config, { storage, backend });
  try {
    if (JSON.stringify(run.config) !== JSON.stringify(config)) throw otherRun(label.trim());
    const { model, task, step, seconds } = await runTraining(run, context, { label });
    const scoresOf = async (length: number) => {
      await interrupt.check();
      const { accuracy, exact } = await runEvaluation(
        {
          model,
          task: task.withLength(length),
          config,
          samples: SAMPLES,
          seed: config.seed,
          backend,
        },
        context,
        label,
      );
      return { accuracy, exact };
    };
    const scores = await scoresOf(task.length);
    const further: { length: number; scores: Measured['scores'] }[] = [];
    for (const length of lengths) further.push({ length, scores: await scoresOf(length) });
    return {
      config,
      parameters: model.parameterCount(),
      steps: step,
      seconds,
      scores,
      samples: SAMPLES,
      ...(further.length > 0 && { further }),
    };
  } finally {
    run.dispose();
  }
}
