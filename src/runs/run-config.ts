/** Makes the configuration of a run from what is chosen; everything else has its default. */

import { isPlain } from '../errors.js';
import { type ModelName, presets } from '../models/index.js';
import { checkOptions, type Kind, type OptionNames } from '../options.js';
import { createTask, type OptionsOf, type TaskName, taskNames } from '../tasks/index.js';
import { createOptimizer, optimizerHas } from '../training/index.js';
import { type Check, object, oneOf, requireOrigin } from './check.js';
import { checkRunConfig } from './config.js';
import {
  curriculum as curriculumField,
  type ModelSettings,
  type RunConfig,
  run,
  type TrainingConfig,
} from './schema.js';
import { checkTaskConfig, type TextTaskConfig, taskFields } from './task-config.js';

/** Settings of a training; the others have their defaults. */
export type TrainingChoices = Partial<
  Omit<TrainingConfig, 'optimizer' | 'schedule' | 'curriculum'>
> & {
  readonly optimizer?: Partial<TrainingConfig['optimizer']>;
  readonly schedule?: Partial<TrainingConfig['schedule']>;
  readonly curriculum?: (Omit<CurriculumConfig, 'at'> & Partial<CurriculumConfig>) | null;
};
type CurriculumConfig = NonNullable<TrainingConfig['curriculum']>;

/** The settings of the training that a preset of models has too. */
export const trainingPresets = {
  fast: {
    optimizer: { name: 'adamw', learningRate: 2e-3, betas: [0.9, 0.98] },
    schedule: { name: 'constant', warmUp: 100 },
    clip: 1,
  },
  paper: {
    optimizer: { name: 'adam', learningRate: 1e-4, betas: [0.9, 0.999] },
    schedule: { name: 'plateau', warmUp: 0 },
    clip: 0.25,
  },
} as const satisfies Record<keyof typeof presets, TrainingChoices>;

/** Sizes that learn from a text in minutes, in place of those that suit the tasks. */
export const textDefaults = {
  model: {
    dModel: 128,
    dInner: 512,
    numMemTokens: 8,
    memLen: 64,
    // Write tokens that carry the memory copy what they have read (results/README.md).
    writeTokens: 'own',
  },
  training: { segmentLength: 64, steps: 1000, batchSize: 16, bpttDepth: 0 },
} as const satisfies { model: Partial<ModelSettings>; training: TrainingChoices };

/** A task, and options of it; the others have their defaults. */
export type TaskChoice =
  | { [Name in TaskName]: { readonly name: Name; readonly options?: OptionsOf<Name> } }[TaskName]
  | TextTaskConfig;

/** What a run is to be. */
export interface RunChoices {
  /** Settings that learn fast, or those of the RMT paper; all others override them. Default `fast`. */
  preset?: keyof typeof presets;
  /** Default `rmt`. */
  model?: ModelName;
  /** Settings of the model that differ from the preset and the defaults. */
  sizes?: Partial<ModelSettings>;
  /** Default: `copy`. A text needs `nToken` in `sizes`. */
  task?: TaskChoice;
  /** Settings of the training that differ from the preset and the defaults. */
  training?: TrainingChoices;
  /** Default 0. */
  seed?: number;
  /** The backend that the configuration names. Default `wasm`. */
  backend?: RunConfig['backend'];
}

const fields: Kind = ['a plain object', isLayer];

/** The kinds of `RunChoices`. */
export const runChoices: OptionNames<RunChoices> = {
  preset: 1,
  model: 1,
  sizes: fields,
  task: fields,
  training: fields,
  seed: 1,
  backend: 1,
};

/**
 * The configuration of a run with these choices; `origin` begins messages. The learning rate of a
 * preset suits Adam and its relatives, so other optimisers have their own. Throws `MemgradError` for
 * an invalid choice.
 */
export function runConfig(choices: RunChoices = {}, origin = 'runConfig'): RunConfig {
  requireOrigin('runConfig', origin);
  checkOptions(origin, choices, runChoices);
  const { model: name, sizes, training, seed, backend } = choices;
  const { preset: wanted = 'fast', task: chosen = { name: 'copy' } } = choices;
  const preset = presetName(wanted, `${origin}: preset`);
  const task = taskOf(chosen, origin);
  const isText = task.name === 'text';
  const nToken = isText ? undefined : createTask(task.name, task.options).vocabulary;
  const usual = isText ? textDefaults : { model: {}, training: {} };
  const config = merged(presets[preset], usual.model, { nToken }, sizes);
  // A pre-LN stack ends in a sum that is not normalised.
  if (sizes?.finalNorm === undefined) config.finalNorm = config.norm === 'pre';
  const { curriculum } = training ?? {};
  const optimizer = training?.optimizer?.name;
  const rate =
    optimizer === undefined || optimizerHas(optimizer, 'betas')
      ? {}
      : { optimizer: { learningRate: createOptimizer(optimizer).learningRate } };
  const whole = merged(defaultsOf(run), {
    backend,
    seed,
    model: { name, config },
    task,
    training: merged(trainingPresets[preset], usual.training, rate, training, {
      curriculum: isLayer(curriculum)
        ? merged(defaultsOf(curriculumField), curriculum)
        : curriculum,
    }),
  });
  return checkRunConfig(whole, origin);
}

const presetName = oneOf(Object.keys(presets) as (keyof typeof presets)[]);

function taskOf(choice: TaskChoice, origin: string): RunConfig['task'] {
  if (choice.name === 'text') return choice;
  const name = oneOf(taskNames)(choice.name, `${origin}: task.name`);
  const defaults = { options: defaultsOf(object(taskFields(name))) };
  return checkTaskConfig(merged(defaults, choice), `${origin}: task`);
}

/** The defaults of all fields of an object that have one. */
function defaultsOf({ fields = {} }: Check<unknown>): Layer {
  const values = Object.entries(fields).map(([name, check]) => [
    name,
    check.setting ? check.setting.default : check.fields && defaultsOf(check),
  ]);
  return Object.fromEntries(values.filter(([, value]) => value !== undefined));
}

type Layer = Record<string, unknown>;

/**
 * All values of `layers`, those of later layers first; undefined counts as left out. Without a
 * prototype, so that `__proto__` is a name like any other, which the checks refuse.
 */
function merged(...layers: readonly (object | undefined)[]): Layer {
  const all: Layer = Object.create(null);
  for (const [name, value] of layers.flatMap((layer) => Object.entries(layer ?? {}))) {
    if (value === undefined) continue;
    all[name] = isLayer(value) && isLayer(all[name]) ? merged(all[name], value) : value;
  }
  return all;
}

function isLayer(value: unknown): value is Layer {
  return typeof value === 'object' && value !== null && isPlain(value);
}
