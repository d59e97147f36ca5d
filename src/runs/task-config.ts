/** The task in the configuration of a run. */
import {
  describeTask,
  type OptionsOf,
  type OptionsTable,
  type TaskName,
  type TaskOption,
  taskNames,
} from '../tasks/index.js';
import {
  type Check,
  type Fields,
  object,
  ofKind,
  oneOf,
  optional,
  requireOrigin,
  setting,
  text,
} from './check.js';

/** The names of the options that a configuration may lack. */
type Optional<Table> = {
  [Name in keyof Table]: Table[Name] extends { optional: true } ? Name : never;
}[keyof Table];

/** The name of a task, with all of its options. */
export type TaskConfig = {
  [Name in TaskName]: {
    readonly name: Name;
    readonly options: Readonly<
      OptionsOf<Name> & Required<Omit<OptionsOf<Name>, Optional<OptionsTable<Name>>>>
    >;
  };
}[TaskName];

/** The fields of the options of a task. */
export function taskFields(name: TaskName): Fields {
  const options = Object.entries(describeTask(name).options);
  return Object.fromEntries(options.map(([option, entry]) => [option, fieldOf(option, entry)]));
}

function fieldOf(name: string, entry: TaskOption): Check<unknown> {
  const { default: value, help } = entry;
  const isName = 'choices' in entry;
  const check: Check<unknown> = isName
    ? oneOf(entry.choices as readonly string[])
    : ofKind(entry.inRuns ?? entry.kind);
  const flag = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)} <${isName ? 'which' : 'n'}>`;
  return entry.optional
    ? setting(optional(check), { flag, help, otherwise: String(value) })
    : setting(check, { default: value, flag, help });
}

/** Checks the configuration of a task from outside, as `checkRunConfig` does for a whole run. */
export function checkTaskConfig(value: unknown, path = 'task'): TaskConfig {
  requireOrigin('checkTaskConfig', path);
  const anything: Check<unknown> = (options) => options;
  const { name, options } = object({ name: oneOf(taskNames), options: anything })(value, path);
  return { name, options: object(taskFields(name))(options, `${path}.options`) } as TaskConfig;
}

const textTask = object({
  name: oneOf(['text']),
  options: object({ tokens: oneOf(['bytes', 'words', 'bpe']), sha256: text(64) }),
});

/** A text, which is kept beside the configuration: what its tokens are, and its SHA-256. */
export type TextTaskConfig = ReturnType<typeof textTask>;

/** Either of them. */
export const anyTask: Check<TaskConfig | TextTaskConfig> = (value, path) =>
  (value as { name?: unknown } | null)?.name === 'text'
    ? textTask(value, path)
    : checkTaskConfig(value, path);
