/** Converts the state of the page to run configurations, in the form that `memgrad train` uses. */
import { Key } from 'memgrad';
import { presets } from 'memgrad/models';
import {
  checkRunConfig,
  MEMGRAD_VERSION,
  RUN_VERSION,
  type RunConfig,
  type TaskConfig,
} from 'memgrad/runs';
import { createTask, type Task, type TaskName } from 'memgrad/tasks';
import type { State } from './state.js';

/** More steps than anyone waits for. */
export const STEPS = 1_000_000;

/** Number of symbols that the memorize task requires in the answer. */
const KEPT = 4;

/**
 * The label of the sample length in each task, its range, and a value that a small model learns
 * quickly.
 */
export const lengths: Record<
  TaskName,
  { label: string; least: number; most: number; usual: number }
> = {
  copy: { label: 'Symbols to copy', least: 1, most: 60, usual: 6 },
  reverse: { label: 'Symbols to reverse', least: 1, most: 60, usual: 6 },
  retrieval: { label: 'Pairs of key and value', least: 1, most: 26, usual: 2 },
  quadratic: { label: 'Roots up to', least: 2, most: 60, usual: 10 },
  memorize: { label: 'Symbols to read', least: KEPT, most: 60, usual: 12 },
};

/** The tasks whose number of symbols can be chosen. */
export function hasSymbols(task: TaskName): boolean {
  return task === 'copy' || task === 'reverse' || task === 'memorize';
}

function taskOf({ task, length, symbols }: State): TaskConfig {
  const { least, most } = lengths[task];
  const fitting = Math.min(most, Math.max(least, length));
  switch (task) {
    case 'copy':
      return { name: task, options: { length: fitting, symbols, copies: 2 } };
    case 'reverse':
      return { name: task, options: { length: fitting, symbols } };
    case 'retrieval':
      return { name: task, options: { pairs: fitting } };
    case 'quadratic':
      return { name: task, options: { range: fitting } };
    case 'memorize':
      return { name: task, options: { length: fitting, kept: KEPT, symbols } };
  }
}

/** Number of tokens in a sequence of the task. */
export function timeOf(task: Task): number {
  return task.batch(Key.of(0), 1, 'test').time;
}

/**
 * Returns the runs of the one or two models that the state describes. Both read the same sequences,
 * since these depend only on the seed and the step.
 */
export function configsOf(state: State): RunConfig[] {
  const { model, second, segments, memory, cache, layers, heads, width, backend } = state;
  const task = taskOf(state);
  const created = createTask(task.name, task.options);
  const names = second === 'none' ? [model] : [model, second];
  return names.map((name) =>
    checkRunConfig(
      {
        version: RUN_VERSION,
        memgrad: MEMGRAD_VERSION,
        backend,
        seed: state.seed,
        model: {
          name,
          config: {
            nToken: created.vocabulary,
            nLayer: layers,
            nHead: +heads,
            dModel: +width,
            dHead: +width / +heads,
            dInner: 2 * +width,
            ...presets.fast,
            // One layer joins a key with its value, and the next looks it up.
            ...(task.name === 'retrieval' && { init: 'wide' }),
            dtype: 'float32',
            memLen: cache,
            numMemTokens: memory,
          },
        },
        task,
        training: {
          segmentLength: Math.ceil(timeOf(created) / segments),
          steps: STEPS,
          batchSize: state.batch,
          optimizer: {
            name: 'adamw',
            learningRate: state.rate,
            betas: [0.9, 0.98],
            weightDecay: 0,
          },
          schedule: { name: 'constant', warmUp: 50 },
          clip: 1,
          bpttDepth: null,
          curriculum: null,
          stopAt: null, // the Worker pauses instead, and the visitor may continue
          checkpointSegments: false,
          nonFinite: 'stop',
          saveEvery: STEPS, // saved only on request
        },
      },
      'playground',
    ),
  );
}
