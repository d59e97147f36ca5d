/** The options of `memgrad train`: those of the table of runs, those of the tasks, and its own. */
import { type Command, Option } from 'commander';
import { limits } from '../runs/index.js';
import { type TaskName, taskNames } from '../tasks/index.js';
import type { BeginOptions } from './begin.js';
import * as read from './parsers.js';
import { type PresetName, presetNames } from './presets.js';
import {
  isPreset,
  optimizersWith,
  parsers,
  type RunOption,
  runOptions,
  taskOptions,
} from './train-config.js';

/** What the tokens of a text are. */
export const tokenKinds = ['bytes', 'words', 'pairs'] as const;

/** The options of the command's own, as commander returns them. */
export interface TrainCommandOptions extends BeginOptions {
  preset: PresetName;
  task: TaskName;
  text?: string;
  tokens?: (typeof tokenKinds)[number];
  vocabulary?: number;
  endOfText?: 'token' | 'text';
  checkFinite?: boolean;
  samples: number;
}

/** Adds the options to `command`. */
export function addTrainOptions(command: Command): void {
  const from = (part: string) => runOptions.filter(({ path }) => path[0] === part);
  command
    .optionsGroup('Model:')
    .addOption(
      new Option(
        '--preset <name>',
        "settings that learn fast, or the RMT paper's: see the table below; options marked * override it",
      )
        .choices(presetNames)
        .default('fast'),
    );
  for (const option of from('model')) addRunOption(command, option);

  command
    .optionsGroup('Task:')
    .addOption(new Option('--task <name>', 'task to learn').choices(taskNames).default('copy'));
  addTaskOptions(command);
  command
    .option(
      '--text <file>',
      'learn a text of your own instead, of which the last tenth is held out; - reads standard input',
    )
    .addOption(
      new Option(
        '--tokens <kind>',
        'text: bytes, words, or byte pairs learnt from it (default: bytes)',
      ).choices(tokenKinds),
    )
    .option(
      '--vocabulary <n>',
      'text: words or byte pairs at most (default: all words, 512 byte pairs)',
      read.whole(2, 1_000_000),
    )
    .addOption(
      new Option(
        '--end-of-text <kind>',
        'byte pairs: <|endoftext|> in the text is one token, or plain text (default: token)',
      ).choices(['token', 'text']),
    );

  command.optionsGroup('Training:');
  for (const option of from('training')) addRunOption(command, option);

  const ends = ['--steps', '--stop-at'];
  const others = runOptions.filter(({ setting, flag }) => setting.changes && !ends.includes(flag));
  command
    .optionsGroup('Run:')
    .option('--out <folder>', 'save the run in this folder, which must be new or empty')
    .option('--config <file>', 'train as this config.json says, instead of the options')
    .option(
      '--resume <folder>',
      `continue the run in this folder; raise ${ends.join(' or ')} to train longer; ${others
        .map(({ flag }) => flag)
        .join(', ')
        .replace(/, (\S+)$/, ' and $1')} may change`,
    )
    .option(
      '--from <checkpoint>',
      'with --resume: continue from `best`, a step, or 0 to begin again; later checkpoints are removed (default: the last)',
      read.checkpoint(limits.steps),
    )
    .option('--check-finite', 'look for NaN in every result of every step, which is slower')
    .option(
      '--samples <n>',
      'held-out sequences to answer at the end; of a text, segments to read',
      read.whole(1, 100_000),
      256,
    );
}

function addRunOption(command: Command, option: RunOption): void {
  const { flag, check, setting } = option;
  const { flag: written = flag, help, off, otherwise, none, default: value } = setting;
  const readers = optimizersWith(option);
  const mark = `${isPreset(option) ? '* ' : ''}${readers ? `${readers.join(', ')}: ` : ''}`;
  const added = new Option(
    written,
    `${mark}${help}${otherwise === undefined ? '' : ` (default: ${otherwise})`}`,
  );
  if (check.choices) added.choices(check.choices);
  else if (written.includes('<')) {
    const parse = parsers[flag] ?? read.accepted([check]);
    added.argParser(none === undefined ? parse : read.orInfinity(none, parse));
  }
  // For the help only: what the user doesn't write is not read.
  if (value === null && none !== undefined) added.default(Infinity, none);
  else if (value !== null && value !== undefined && value !== false) added.default(value);
  command.addOption(added);
  if (off) command.addOption(new Option(flag.replace('--', '--no-'), `${mark}${off}`));
}

/** One option for each name; its help lists the tasks that have it. */
function addTaskOptions(command: Command): void {
  for (const owners of taskOptions().values()) {
    const uses = new Map<string, string[]>();
    for (const { task, field } of owners) {
      const { help, default: value, otherwise = value } = field.setting ?? {};
      const use = `${help} (default: ${otherwise})`;
      uses.set(use, [...(uses.get(use) ?? []), task]);
    }
    const help = [...uses].map(([use, tasks]) => `${tasks.join(', ')}: ${use}`).join('; ');
    const checks = owners.map(({ field }) => field);
    const option = new Option(checks[0].setting?.flag ?? '', help);
    const { choices } = checks[0];
    command.addOption(choices ? option.choices(choices) : option.argParser(read.accepted(checks)));
  }
}
