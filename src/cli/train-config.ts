/** What the options of `memgrad train` choose of a run. */
import { Option } from 'commander';
import { MemgradError } from '../errors.js';
import { modelNames, modelReads } from '../models/index.js';
import type { Check, Setting } from '../runs/check.js';
import type { RunChoices, RunConfig, TaskChoice } from '../runs/index.js';
import { run } from '../runs/schema.js';
import { taskFields } from '../runs/task-config.js';
import { taskNames } from '../tasks/index.js';
import { optimizerHas, optimizerNames } from '../training/index.js';
import * as read from './parsers.js';
import { presetValue } from './presets.js';

/** An option that chooses a field of a run's configuration. */
export interface RunOption {
  /** The place of the field. */
  readonly path: readonly string[];
  /** The name of the option, such as `--layers`. */
  readonly flag: string;
  /** The name of its value among the options that commander returns. */
  readonly name: string;
  readonly check: Check<unknown>;
  readonly setting: Setting;
}

/** The options that choose a field, in the order of the configuration. */
export const runOptions: readonly RunOption[] = [...optionsOf(run, [])];

function* optionsOf(check: Check<unknown>, path: readonly string[]): Generator<RunOption> {
  const { setting, fields = {} } = check;
  if (setting?.flag) {
    const [flag] = setting.flag.split(' ');
    yield { path, flag, name: new Option(setting.flag).attributeName(), check, setting };
  }
  for (const [name, field] of Object.entries(fields)) yield* optionsOf(field, [...path, name]);
}

/** Whether a preset decides the field. */
export const isPreset = ({ path }: RunOption): boolean => presetValue('fast', path) !== undefined;

/** The options of all tasks by name, each with the tasks that have it and their fields. */
export function taskOptions(): ReadonlyMap<string, { task: string; field: Check<unknown> }[]> {
  const all = new Map<string, { task: string; field: Check<unknown> }[]>();
  for (const task of taskNames) {
    for (const [name, field] of Object.entries(taskFields(task))) {
      all.set(name, [...(all.get(name) ?? []), { task, field }]);
    }
  }
  return all;
}

/** Parsers of options whose text isn't the value itself, or whose range is narrower than a file's. */
export const parsers: Readonly<Record<string, (text: string) => unknown>> = {
  '--learning-rate': read.real(read.learningRate),
  '--curriculum': read.curriculum,
};

type Values = Readonly<Record<string, unknown>>;
/** Whether the user wrote the option with this name. */
export type Given = (name: string) => boolean;

/** The fields of a configuration that the options choose. Throws `MemgradError` for cuts alone. */
export function chosenFields(values: object, given: Given): Chosen {
  const chosen: Record<string, unknown> = {};
  for (const { path, name } of runOptions) {
    if (!given(name)) continue;
    const value = (values as Values)[name];
    let part = chosen;
    for (const step of path.slice(0, -1)) {
      part[step] ??= {};
      part = part[step] as typeof chosen;
    }
    part[path[path.length - 1]] = value === Infinity ? null : value; // JSON has no Infinity
  }
  const { training = {}, model } = chosen as Partial<Chosen>;
  const { curriculum } = training;
  if (curriculum && curriculum.start === undefined) {
    throw new MemgradError(
      `--cuts ${curriculum.cuts} needs a curriculum, but there is none; give --curriculum START:BY too, which may start at full length.`,
    );
  }
  return { training, model };
}

/** The part of a configuration that options may choose. */
interface Chosen {
  readonly training: NonNullable<RunChoices['training']>;
  readonly model?: { readonly name?: RunChoices['model']; readonly config?: RunChoices['sizes'] };
}

/** All choices but the task. */
export function chosenRun(
  options: Pick<RunChoices, 'seed' | 'backend' | 'preset'>,
  given: Given,
): RunChoices {
  const { seed, backend, preset } = options;
  const { training, model } = chosenFields(options, given);
  return { seed, backend, preset, model: model?.name, sizes: model?.config, training };
}

/** The task, and its options that the user wrote. Throws `MemgradError` for one of other tasks. */
export function chosenTask(options: { task: TaskChoice['name'] }, given: Given): TaskChoice {
  const written = [...taskOptions()].filter(([name]) => given(name));
  for (const [name, owners] of written) {
    const tasks = owners.map(({ task }) => task);
    if (tasks.some((task) => task === options.task)) continue;
    throw new MemgradError(
      `--${name} is for ${tasks.join(', ')}, but the task is ${options.task}; leave it out, or choose the task with --task.`,
    );
  }
  const names = written.map(([name]) => name);
  const own = names.map((name) => [name, (options as Values)[name]]);
  return { name: options.task, options: Object.fromEntries(own) } as TaskChoice;
}

/** The optimisers that have the option; undefined if it is no option of optimisers, or of all. */
export function optimizersWith({ path }: RunOption): readonly string[] | undefined {
  const [, part, name] = path;
  if (part !== 'optimizer' || name === 'name') return undefined;
  const some = optimizerNames.filter((optimizer) => optimizerHas(optimizer, name));
  return some.length < optimizerNames.length ? some : undefined;
}

/** The models that read the option; undefined if it is no option of models. */
function modelsWith({ path }: RunOption): readonly string[] | undefined {
  const [, part, name] = path;
  if (part !== 'config') return undefined;
  return modelNames.filter((model) => modelReads(model, name as never));
}

/**
 * A sentence on each option that is given to a model or an optimiser that does not read it. They
 * accept it, as one script may try all.
 */
export function unread({ model, training }: RunConfig, given: Given): string[] {
  return runOptions.flatMap((option) => {
    const readers = modelsWith(option) ?? optimizersWith(option);
    const isRead = readers?.some((name) => name === model.name || name === training.optimizer.name);
    if (!readers || isRead || !given(option.name)) return [];
    return [`${option.flag} has no effect here; it is for ${readers.join(', ')}.`];
  });
}
