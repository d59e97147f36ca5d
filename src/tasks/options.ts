/** The options of tasks, each with its default and its help. */
import { checkOptions, type Kind, type OptionNames, oneOf } from '../options.js';

/** The largest number of symbols that a run reads or writes at once. */
export const LONGEST_IN_RUNS = 4096;

/** One option of a task. */
export type TaskOption<T = unknown> = {
  readonly default: T;
  /** What it is: the help of its flag and its label on the page. */
  readonly help: string;
  /** Whether the configuration of a run may lack it, since configurations without it were saved. */
  readonly optional?: true;
} & (
  | {
      readonly kind: Kind;
      /**
       * Its kind in the configuration of a run, which may come from anyone and must not make a
       * process allocate all memory. Default: `kind`.
       */
      readonly inRuns?: Kind;
    }
  | { readonly choices: readonly T[] }
);

/** The options `T` of a task. The first one measures the length of its samples, as `Task.length`. */
export type TaskOptions<T = Readonly<Record<string, unknown>>> = {
  readonly [Name in keyof Required<T>]: TaskOption<Required<T>[Name]>;
};

/** Returns `given` and the defaults of all else. Throws `MemgradError` for an invalid option. */
export function withDefaults<T extends object>(
  where: string,
  given: T,
  options: TaskOptions<T>,
): Required<T> {
  const all: [string, TaskOption][] = Object.entries(options);
  const kinds = all.map(([name, option]) => [name, kindOf(option)]);
  checkOptions(where, given, Object.fromEntries(kinds) as OptionNames<T>);
  const values = all.map(([name, option]) => [name, given[name as keyof T] ?? option.default]);
  return Object.fromEntries(values) as Required<T>;
}

/** The kind of an option. */
function kindOf(option: TaskOption): Kind {
  return 'kind' in option ? option.kind : oneOf(option.choices);
}
