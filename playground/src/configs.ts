/** Converts the state of the page to run configurations, in the form that `memgrad train` uses. */
import { Key } from 'memgrad';
import { type RunConfig, runConfig, type TaskChoice } from 'memgrad/runs';
import { createTask, describeTask, type Task, type TaskName } from 'memgrad/tasks';
import type { State } from './state.js';

/** More steps than anyone waits for. */
export const STEPS = 1_000_000;

/** Number of symbols that the memorize task requires in the answer. */
const KEPT = 4;

/** What the control of a sample's length offers. */
interface Length {
  readonly label: string;
  readonly least: number;
  readonly most: number;
  /** A value that a small model learns quickly. */
  readonly usual: number;
}

const lengths: Partial<Record<TaskName, Partial<Length>>> = {
  copy: { label: 'Symbols to copy', usual: 6 },
  reverse: { label: 'Symbols to reverse', usual: 6 },
  retrieval: { label: 'Pairs of key and value', most: 26, usual: 2 },
  quadratic: { label: 'Roots up to', least: 2, usual: 10 },
  memorize: { label: 'Symbols to read', least: KEPT, usual: 12 },
};

/** The length of the task's samples. A task that `lengths` lacks is described by its own options. */
export function lengthOf(task: TaskName): Length {
  const [{ help, default: usual }] = Object.values(describeTask(task).options);
  const label = help[0].toUpperCase() + help.slice(1);
  const most = 60;
  return { label, least: 1, most, usual: Math.min(most, usual as number), ...lengths[task] };
}

/** Whether the number of symbols can be chosen. */
export function hasSymbols(task: TaskName): boolean {
  return 'symbols' in describeTask(task).options;
}

function taskOf({ task, length, symbols }: State) {
  const { least, most } = lengthOf(task);
  const names = Object.keys(describeTask(task).options);
  const values = { symbols, kept: KEPT, [names[0]]: Math.min(most, Math.max(least, length)) };
  const options = Object.entries(values).filter(([name]) => names.includes(name));
  return { name: task, options: Object.fromEntries(options) };
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
    runConfig(
      {
        model: name,
        sizes: {
          nLayer: layers,
          nHead: +heads,
          dModel: +width,
          dHead: +width / +heads,
          dInner: 2 * +width,
          // One layer joins a key with its value, and the next looks it up.
          ...(task.name === 'retrieval' && { init: 'wide' }),
          memLen: cache,
          numMemTokens: memory,
        },
        task: task as TaskChoice,
        training: {
          segmentLength: Math.ceil(timeOf(created) / segments),
          steps: STEPS, // the Worker pauses instead, and the visitor may continue
          batchSize: state.batch,
          optimizer: { learningRate: state.rate },
          schedule: { warmUp: 50 },
          saveEvery: STEPS, // saved only on request
        },
        seed: state.seed,
        backend,
      },
      'playground',
    ),
  );
}
