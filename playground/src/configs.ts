/** From the state of the page to the runs that it describes, the same that `memgrad train` makes. */
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

/** More than anybody waits for. */
export const STEPS = 1_000_000;

/** How many symbols memorize asks for. */
const KEPT = 4;

/** How the length of a sample is called in each task, its range, and what a small model learns soon. */
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

/** How many tokens a sequence of the task has. */
export function timeOf(task: Task): number {
  return task.batch(Key.of(0), 1, 'test').time;
}

/** The runs of the one or two models that the state asks for. Both see the same sequences, since these depend on the seed and the step alone. */
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
            // A key is joined with its value in one layer and looked up in the next.
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
          stopAt: null, // the Worker pauses, and whoever wants to goes on
          checkpointSegments: false,
          nonFinite: 'stop',
          saveEvery: STEPS, // saved when it is asked for
        },
      },
      'playground',
    ),
  );
}
