/** One run of an experiment in its folder: the one place that trains it, or finds that it is done. */
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MemgradError } from '../../errors.js';
import { type RunConfig, saveRun } from '../../runs/index.js';
import { FolderStorage } from '../../runs/node-storage.js';
import type { Context } from '../context.js';
import { runEvaluation, runTraining } from '../training.js';

/** Written last: a folder with it is done. */
const RESULT_FILE = 'result.json';
const SAMPLES = 256; // held-out samples to answer

/** What was measured, with what made it. */
export interface Measured {
  readonly config: RunConfig;
  readonly parameters: number;
  /** Steps taken; fewer than configured when the task was solved before. */
  readonly steps: number;
  readonly seconds: number;
  /** Of held-out samples, answered freely. */
  readonly accuracy: number;
  readonly exact: number;
  readonly samples: number;
}

/** What `folder` holds of a run that is done; undefined when there is none. Throws `MemgradError` for a run of another configuration. */
export async function measuredIn(folder: string, config: RunConfig): Promise<Measured | undefined> {
  const text = await readFile(join(folder, RESULT_FILE), 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  const found = parse(text, folder);
  if (JSON.stringify(found.config) === JSON.stringify(config)) return found;
  throw new MemgradError(
    `'${folder}' holds a run of another configuration than this memgrad would train; move it away, or name another folder with --runs.`,
  );
}

/** Trains the run that `config` describes in `folder`, or only reads it if it is done. Throws `Interrupted` when a signal comes. */
export async function trainInto(
  folder: string,
  config: RunConfig,
  context: Context,
  label: string,
): Promise<Measured> {
  const done = await measuredIn(folder, config);
  if (done) return done;
  const trained = await runTraining(config, context, label);
  const { model, task, step, seconds } = trained;
  try {
    await context.interrupt.check();
    const { seed } = config;
    const { backend } = context;
    const { accuracy, exact, samples } = await runEvaluation(
      { model, task, config, samples: SAMPLES, seed, backend },
      context,
      label,
    );
    const parameters = model.parameterCount();
    const measured = { config, parameters, steps: step, seconds, accuracy, exact, samples };
    await mkdir(folder, { recursive: true });
    const storage = new FolderStorage(folder);
    await saveRun(storage, { config, model, step });
    const text = `${JSON.stringify(measured, null, 2)}\n`;
    await storage.write(RESULT_FILE, new TextEncoder().encode(text));
    return measured;
  } finally {
    model.dispose();
  }
}

function parse(text: string, folder: string): Measured {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new MemgradError(
      `'${join(folder, RESULT_FILE)}' is not valid JSON; delete it, and the run is taken up again.`,
      { cause },
    );
  }
}
