/** Where a training run comes from: the options, a configuration file, or a folder to resume. */
import { dirname } from 'node:path';
import type { Command } from 'commander';
import { MemgradError } from '../errors.js';
import {
  checkRunConfig,
  MEMGRAD_VERSION,
  parseJson,
  type RunConfig,
  readConfig,
  TrainingRun,
} from '../runs/index.js';
import { FolderStorage, readWhole } from '../runs/node/folder-storage.js';
import { readText } from '../runs/text.js';
import type { TextTask } from '../tasks/index.js';
import { type CommonOptions, type Context, openContext } from './context.js';
import { chosenFields, type Given, runOptions } from './train-config.js';

const MOST_CONFIG_BYTES = 1_000_000;

/** The options that determine where a run comes from and where it is saved. */
export interface BeginOptions extends CommonOptions {
  config?: string;
  resume?: string;
  from?: 'best' | number;
  out?: string;
}

/** The options that determine nothing of a run. */
const always = ['backend', 'threads', 'json', 'samples', 'checkFinite'];
/** The options that --config and --resume allow; the file determines all others. */
const allowedWith = {
  config: ['config', 'out', 'steps', 'seed', ...always],
  resume: [
    'resume',
    'from',
    ...runOptions.filter(({ setting }) => setting.changes).map(({ name }) => name),
    ...always,
  ],
};

/** A run that is ready to train. */
export interface Begun {
  readonly run: TrainingRun;
  readonly context: Context;
  /** The folder of the run, if it is saved. */
  readonly folder: string | undefined;
}

/** A configuration, and the text if it is of a run on one. */
export interface Described {
  readonly config: RunConfig;
  readonly text?: TextTask;
}

/**
 * Begins or resumes the run that the options describe; `make` makes its configuration from the
 * options alone.
 */
export async function begin(
  options: BeginOptions,
  command: Command,
  make: () => Promise<Described>,
): Promise<Begun> {
  const given: Given = (name) => command.getOptionValueSource(name) === 'cli';
  if (options.resume !== undefined) {
    refuseOthers(command, 'resume');
    return resume(options.resume, options, given);
  }
  if (options.from !== undefined) {
    throw new MemgradError(
      `--from ${options.from} names a checkpoint of a run, so it needs --resume FOLDER; give both.`,
    );
  }
  if (options.config !== undefined) refuseOthers(command, 'config');
  const { config, text } =
    options.config === undefined
      ? await make()
      : await readConfigFile(options.config, options, given);
  const { out: folder } = options;
  const storage = folder === undefined ? undefined : new FolderStorage(folder);
  const context = await openContext({ ...options, backend: config.backend });
  const run = await TrainingRun.start(config, { storage, text, backend: context.backend });
  return { run, context, folder };
}

async function resume(folder: string, options: BeginOptions, given: Given): Promise<Begun> {
  const storage = new FolderStorage(folder);
  const saved = await readConfig(storage);
  const context = await openContext({
    ...options,
    backend: given('backend') ? options.backend : saved.backend,
  });
  const { output, backend } = context;
  const { optimizer, schedule, ...changes } = chosenFields(options, given).training;
  const run = await TrainingRun.resume(storage, {
    ...changes,
    backend,
    from: options.from,
    learningRate: optimizer?.learningRate,
    schedule: { ...saved.training.schedule, ...schedule },
  });
  const others = [
    ...(backend.name === saved.backend ? [] : [`on ${saved.backend}`]),
    ...(saved.memgrad === MEMGRAD_VERSION ? [] : [`by memgrad ${saved.memgrad}`]),
  ];
  if (others.length > 0) {
    output.print(
      `Note: this run was begun ${others.join(', ')}; from here on its numbers may differ in their last bits.`,
    );
  }
  return { run, context, folder };
}

async function readConfigFile(
  file: string,
  options: BeginOptions,
  given: Given,
): Promise<Described> {
  const bytes = await readWhole(file, 'name a configuration', MOST_CONFIG_BYTES);
  const config = checkRunConfig(parseJson(bytes, file), file);
  const { seed = config.seed } = options;
  const changed = {
    ...config,
    memgrad: MEMGRAD_VERSION,
    backend: given('backend') ? options.backend : config.backend,
    seed,
    training: { ...config.training, ...chosenFields(options, given).training },
  };
  // The text of a run is beside its configuration.
  const text = await readText(new FolderStorage(dirname(file)), config);
  return { config: checkRunConfig(changed, 'the configuration'), text };
}

function refuseOthers(command: Command, name: keyof typeof allowedWith): void {
  const allowed = allowedWith[name];
  const other = command.options.find(
    (option) =>
      !allowed.includes(option.attributeName()) &&
      command.getOptionValueSource(option.attributeName()) === 'cli' &&
      option.negate === (command.getOptionValue(option.attributeName()) === false),
  );
  if (!other) return;
  throw new MemgradError(
    `--${name} determines what ${other.long} sets, so both cannot be given; leave one of them out.`,
  );
}
