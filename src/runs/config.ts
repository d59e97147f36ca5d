/** The configuration of a run: everything that determines it, stored in config.json. */
import { backendNames } from '../backends/index.js';
import { MemgradError, shownPath } from '../errors.js';
import { checkConfig, leastParameters as leastOf } from '../models/config.js';
import { type AnyConfig, choices, modelNames } from '../models/index.js';
import { queryChoices, type TaskName, taskNames } from '../tasks/index.js';
import { nonFiniteChoices, optimizerNames } from '../training/index.js';
import {
  type Check,
  flag,
  list,
  object,
  oneOf,
  orDefault,
  orNull,
  pair,
  real,
  refuse,
  requireOrigin,
  text,
  whole,
} from './check.js';

/** Version of the layout of a run folder. */
export const RUN_VERSION = 2;

/**
 * The largest sizes of a run. Far above what trains in JavaScript, and small enough that a file
 * from somebody else cannot make the process allocate all memory.
 */
export const limits = {
  length: 4096,
  symbols: 10_000,
  copies: 64,
  pairs: 26,
  range: 100,
  layers: 128,
  heads: 256,
  width: 16_384,
  memoryTokens: 512,
  cache: 4096,
  segmentLength: 2048,
  batchSize: 4096,
  steps: 10_000_000,
  parameters: 100_000_000,
} as const;

const modelConfig = object({
  nToken: whole(2, 1_000_000),
  nLayer: whole(1, limits.layers),
  nHead: whole(1, limits.heads),
  dModel: whole(1, limits.width),
  dHead: whole(1, limits.width),
  dInner: whole(1, limits.width),
  norm: oneOf(choices.norm),
  finalNorm: flag,
  positions: oneOf(choices.positions),
  scaleEmbeddings: flag,
  dropout: real(0, 1),
  dropatt: real(0, 1),
  dtype: oneOf(['float32', 'float64']),
  memLen: whole(1, limits.cache),
  numMemTokens: whole(1, limits.memoryTokens),
  memInit: oneOf(choices.memInit),
  rotaryBase: orDefault(real(1, 1e9, { open: true }), undefined),
  init: orDefault(oneOf(choices.init), undefined),
  clampLen: orDefault(whole(1, limits.cache), undefined),
  cutoffs: orDefault(list(whole(1, 1_000_000)), undefined),
  sameLength: orDefault(flag, undefined),
  memAtEnd: orDefault(flag, undefined),
  writeTokens: orDefault(oneOf(choices.writeTokens), undefined),
  readMemFromCache: orDefault(flag, undefined),
}) satisfies Check<Omit<AnyConfig, 'backend'>>;

/** The options of each task, by name. */
const taskOptions = {
  copy: object({
    length: whole(1, limits.length),
    symbols: whole(2, limits.symbols),
    copies: whole(1, limits.copies),
  }),
  reverse: object({ length: whole(1, limits.length), symbols: whole(2, limits.symbols) }),
  retrieval: object({
    pairs: whole(1, limits.pairs),
    queries: orDefault(oneOf(queryChoices), undefined),
  }),
  quadratic: object({ range: whole(2, limits.range) }),
  memorize: object({
    length: whole(1, limits.length),
    kept: whole(1, limits.length),
    symbols: whole(2, limits.symbols),
  }),
} satisfies Record<TaskName, Check<object>>;

/** The name of a task, with all of its options. */
export type TaskConfig = {
  [Name in TaskName]: {
    readonly name: Name;
    readonly options: ReturnType<(typeof taskOptions)[Name]>;
  };
}[TaskName];

/** Checks the configuration of a task from outside, as `checkRunConfig` does for a whole run. */
export function checkTaskConfig(value: unknown, path = 'task'): TaskConfig {
  requireOrigin('checkTaskConfig', path);
  const anything: Check<unknown> = (options) => options;
  const { name, options } = object({ name: oneOf(taskNames), options: anything })(value, path);
  return { name, options: taskOptions[name](options, `${path}.options`) } as TaskConfig;
}

const textTask = object({
  name: oneOf(['text']),
  options: object({ tokens: oneOf(['bytes', 'words', 'bpe']), sha256: text(64) }),
});

/** A text, which is kept beside the configuration: what its tokens are, and its SHA-256. */
export type TextTaskConfig = ReturnType<typeof textTask>;

const anyTask: Check<TaskConfig | TextTaskConfig> = (value, path) =>
  (value as { name?: unknown } | null)?.name === 'text'
    ? textTask(value, path)
    : checkTaskConfig(value, path);

const learningRate = real(0, 1000);
/** `warmUp` steps of rising learning rate (none if 0), followed by the schedule `name`. */
const schedule = object({
  name: oneOf(['constant', 'cosine', 'plateau']),
  warmUp: whole(0, limits.steps),
});
/** Null: no clipping. */
const clip = orNull(real(0, 1e9, { open: true }));
/** How to handle a step whose loss or gradient is not finite. */
const nonFinite = oneOf(nonFiniteChoices);

const training = object({
  segmentLength: whole(1, limits.segmentLength),
  steps: whole(1, limits.steps),
  batchSize: whole(1, limits.batchSize),
  optimizer: object({
    name: oneOf(optimizerNames),
    learningRate,
    betas: pair(real(0, 1)),
    weightDecay: real(0, 1000),
  }),
  schedule,
  clip,
  /** Null: gradients reach all segments. */
  bpttDepth: orNull(whole(0, limits.length * limits.copies)),
  curriculum: orNull(
    object({
      start: whole(1, limits.length),
      by: whole(1, limits.length),
      cuts: orDefault(list(whole(1, limits.segmentLength)), undefined),
      at: real(0, 1, { open: true }),
    }),
  ),
  /**
   * Training ends early when the mean accuracy of the last steps, at the end of the curriculum, is
   * at least this.
   */
  stopAt: orNull(real(0, 1, { open: true })),
  /** Keeps only the state at segment borders, and recomputes each segment in the backward pass. */
  checkpointSegments: flag,
  nonFinite,
  /** Steps between checkpoints. */
  saveEvery: whole(1, limits.steps),
});

const run = object({
  version: whole(RUN_VERSION, RUN_VERSION),
  /** The version of memgrad and the backend that began the run; others may round differently. */
  memgrad: text(40),
  backend: oneOf(backendNames),
  seed: whole(0, Number.MAX_SAFE_INTEGER),
  model: object({ name: oneOf(modelNames), config: modelConfig }),
  /** The task, with all of its options. */
  task: anyTask,
  training,
  /**
   * Earlier values of settings that were changed on resuming: each entry held up to its `step`, in
   * order.
   */
  history: orDefault(
    list(
      object({
        step: whole(0, limits.steps),
        learningRate: orDefault(learningRate, undefined),
        clip: orDefault(clip, undefined),
        schedule: orDefault(schedule, undefined),
        nonFinite: orDefault(nonFinite, undefined),
      }),
    ),
    undefined,
  ),
});

/** How a run is trained. */
export type TrainingConfig = ReturnType<typeof training>;
/** The settings that may change when a run is resumed. */
export type Changeable = Omit<NonNullable<ReturnType<typeof run>['history']>[number], 'step'>;
/** Everything that determines a run. */
export type RunConfig = ReturnType<typeof run>;

/**
 * Checks a configuration from outside: every field must be present, of its type and in its range,
 * no field unknown, and the model within `limits`. `origin` begins each message. Throws
 * `MemgradError`.
 */
export function checkRunConfig(value: unknown, origin = 'the configuration'): RunConfig {
  requireOrigin('checkRunConfig', origin);
  checkVersion(value, origin); // first, since another version may have other fields
  const config = run(value, `${origin}:`);
  if (config.task.name === 'text') checkTextTraining(config.training, origin);
  const least = leastParameters(config);
  if (least > limits.parameters) {
    throw new MemgradError(
      `${shownPath(origin)}: the model would have ${least} parameters or more, but at most ${limits.parameters} are allowed; make it narrower or use fewer layers.`,
    );
  }
  checkConfig(config.model.config);
  return config;
}

/** A text is one stream: its steps have no accuracy, and gradients can't reach its start. */
function checkTextTraining({ curriculum, stopAt, bpttDepth }: TrainingConfig, origin: string) {
  const path = `${origin}: training`;
  if (curriculum !== null) refuse(`${path}.curriculum`, curriculum, 'null on a text');
  if (stopAt !== null) refuse(`${path}.stopAt`, stopAt, 'null on a text, which has no accuracy,');
  if (bpttDepth === null) refuse(`${path}.bpttDepth`, bpttDepth, 'a whole number on a text');
}

function checkVersion(value: unknown, origin: string): void {
  const version = (value as { version?: unknown } | null)?.version;
  if (typeof version !== 'number' || version === RUN_VERSION) return;
  throw new MemgradError(
    `${shownPath(origin)}: version is ${version}, but this memgrad reads version ${RUN_VERSION} only; use the memgrad that wrote it.`,
  );
}

/** A lower bound of the model's parameter count. */
export function leastParameters({ model: { name, config } }: RunConfig): number {
  return leastOf(config, hasMemory(name));
}

/** Whether the model `name` has memory tokens. */
export function hasMemory(name: RunConfig['model']['name']): boolean {
  return name !== 'transformer' && name !== 'transformer-xl';
}
