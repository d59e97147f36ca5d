/**
 * The table of all that a run is: each field once, with its type, its check and its default, and
 * with the flag and the help of those that `memgrad train` offers.
 */
import { backendNames } from '../backends/index.js';
import { choices, modelNames } from '../models/index.js';
import { LONGEST_IN_RUNS } from '../tasks/options.js';
import { nonFiniteChoices, optimizerNames } from '../training/index.js';
import {
  flag,
  list,
  object,
  oneOf,
  optional,
  orNull,
  pair,
  real,
  setting,
  text,
  whole,
} from './check.js';
import { anyTask } from './task-config.js';
import { scheduleNames } from './training-parts.js';
import { MEMGRAD_VERSION } from './version.js';

/** Version of the layout of a run folder. */
export const RUN_VERSION = 2;

/**
 * The largest sizes of a run. Far above what trains in JavaScript, and small enough that a file
 * from somebody else cannot make the process allocate all memory.
 */
export const limits = {
  length: LONGEST_IN_RUNS,
  layers: 128,
  heads: 256,
  width: 16_384,
  memoryTokens: 512,
  cache: 4096,
  segmentLength: 2048,
  segments: 262_144,
  batchSize: 4096,
  steps: 10_000_000,
  parameters: 100_000_000,
} as const;

const modelConfig = object({
  nToken: whole(2, 1_000_000),
  nLayer: setting(whole(1, limits.layers), {
    default: 2,
    flag: '--layers <n>',
    help: 'decoder layers',
  }),
  nHead: setting(whole(1, limits.heads), {
    default: 4,
    flag: '--heads <n>',
    help: 'attention heads',
  }),
  dModel: setting(whole(1, limits.width), {
    default: 64,
    flag: '--d-model <n>',
    help: 'width of a row',
  }),
  dHead: setting(whole(1, limits.width), {
    default: 32,
    flag: '--d-head <n>',
    help: 'width of a head',
  }),
  dInner: setting(whole(1, limits.width), {
    default: 128,
    flag: '--d-inner <n>',
    help: 'width of the feed-forward layer',
  }),
  norm: setting(oneOf(choices.norm), {
    flag: '--norm <place>',
    help: 'layer normalisation before each sub-layer and the logits, or after each sub-layer',
  }),
  finalNorm: flag,
  positions: setting(oneOf(choices.positions), {
    flag: '--positions <kind>',
    help: 'how positions are encoded',
  }),
  scaleEmbeddings: setting(flag, {
    flag: '--scale-embeddings',
    help: 'multiply embeddings by the square root of their width',
    off: 'leave embeddings as they are',
  }),
  dropout: setting(real(0, 1), { flag: '--dropout <rate>', help: 'share of values dropped' }),
  dropatt: real(0, 1),
  dtype: setting(oneOf(choices.dtype), { default: 'float32' }),
  memLen: setting(whole(1, limits.cache), {
    default: 24,
    flag: '--cache <n>',
    help: 'rows that transformer-xl models keep',
  }),
  numMemTokens: setting(whole(1, limits.memoryTokens), {
    default: 24,
    flag: '--memory-tokens <n>',
    help: 'memory tokens of the models that have them',
  }),
  memInit: setting(oneOf(choices.memInit), {
    flag: '--memory-init <kind>',
    help: 'how memory rows are initialised',
  }),
  rotaryBase: optional(real(1, 1e9, { open: true })),
  init: setting(optional(oneOf(choices.init)), {
    flag: '--init <kind>',
    help: 'how weights are initialised',
    otherwise: 'narrow',
  }),
  clampLen: optional(whole(1, limits.cache)),
  cutoffs: optional(list(whole(1, 1_000_000))),
  sameLength: optional(flag),
  memAtEnd: optional(flag),
  writeTokens: setting(optional(oneOf(choices.writeTokens)), {
    flag: '--write-tokens <kind>',
    help: 'rows where RMT writes memory: the memory that it read, or learned rows',
    otherwise: 'carried',
  }),
  readMemFromCache: optional(flag),
});

const learningRate = setting(real(0, 1000), {
  flag: '--learning-rate <x>',
  help: 'size of a step; optimisers without betas have a default of their own',
  changes: true,
});

/** The update rule and its options. An optimiser ignores those that it doesn't have. */
const optimizer = object({
  name: setting(oneOf(optimizerNames), {
    flag: '--optimizer <name>',
    help: 'update rule of the weights',
  }),
  learningRate,
  betas: setting(pair(real(0, 1), 'two numbers from 0 to less than 1, such as 0.9,0.98'), {
    flag: '--betas <b1,b2>',
    help: 'decay of the moments',
  }),
  weightDecay: setting(real(0, 1000), {
    default: 0,
    flag: '--weight-decay <x>',
    help: 'strength of weight decay',
  }),
  momentum: setting(optional(real(0, 1)), {
    flag: '--momentum <x>',
    help: 'decay of earlier gradients',
    otherwise: "the optimiser's own",
  }),
  nesterov: setting(optional(flag), {
    flag: '--nesterov',
    help: 'look ahead along them',
    otherwise: "the optimiser's own",
    off: 'do not look ahead',
  }),
  epsilon: optional(real(0, 1, { open: true })),
  alpha: optional(real(0, 1)),
  beta2Decay: optional(real(-100, 0)),
  threshold: optional(real(0, 1e9, { open: true })),
  iterations: optional(whole(1, 100)),
});

/** `warmUp` steps of rising learning rate (none if 0), followed by the schedule `name`. */
const schedule = object({
  name: setting(oneOf(scheduleNames), {
    flag: '--schedule <name>',
    help: 'course of the learning rate',
    changes: true,
  }),
  warmUp: setting(whole(0, limits.steps), {
    flag: '--warm-up <n>',
    help: 'steps of rising learning rate',
    changes: true,
  }),
});

/** Null: no clipping. */
const clip = setting(orNull(real(0, 1e9, { open: true })), {
  flag: '--clip <norm>',
  help: 'largest norm of the gradient, or `none`',
  none: 'none',
  changes: true,
});

/** How to handle a step whose loss or gradient is not finite. */
const nonFinite = setting(oneOf(nonFiniteChoices), {
  default: 'stop',
  flag: '--non-finite <what>',
  help: 'how to handle a step with a loss or gradient of NaN or Infinity',
  changes: true,
});

/** The accuracy at which a curriculum advances, by default. */
const ADVANCES_AT = 0.97;

/** Samples that become longer, then segments that become shorter. */
export const curriculum = object({
  start: whole(1, limits.length),
  by: whole(1, limits.length),
  cuts: setting(optional(list(whole(1, limits.segmentLength))), {
    flag: '--cuts <n,...>',
    help: 'with --curriculum: segment lengths to train in before --segment-length, at full length',
  }),
  at: setting(real(0, 1, { open: true }), { default: ADVANCES_AT }),
});

const training = object({
  segmentLength: setting(whole(1, limits.segmentLength), {
    default: 24,
    flag: '--segment-length <n>',
    help: 'tokens read at a time',
  }),
  steps: setting(whole(1, limits.steps), {
    default: 500,
    flag: '--steps <n>',
    help: 'steps at most',
    changes: true,
  }),
  batchSize: setting(whole(1, limits.batchSize), {
    default: 32,
    flag: '--batch-size <n>',
    help: 'sequences per step',
  }),
  optimizer,
  schedule,
  clip,
  /** Null: gradients reach all segments. */
  bpttDepth: setting(orNull(whole(0, limits.segments)), {
    default: null,
    flag: '--bptt-depth <n>',
    help: 'earlier segments that gradients reach, or `full`',
    none: 'full',
  }),
  curriculum: setting(orNull(curriculum), {
    default: null,
    flag: '--curriculum <start:by[:at]>',
    help: `begin with this length, increase it at this accuracy (${ADVANCES_AT}) up to --length`,
  }),
  /**
   * Training ends early when the mean accuracy of the last steps, at the end of the curriculum, is
   * at least this.
   */
  stopAt: setting(orNull(real(0, 1, { open: true })), {
    default: null,
    flag: '--stop-at <accuracy>',
    help: 'stop when the last 10 steps averaged it; up to 50 where answers are short (off by default)',
    changes: true,
  }),
  /** Keeps only the state at segment borders, and recomputes each segment in the backward pass. */
  checkpointSegments: setting(flag, {
    default: false,
    flag: '--checkpoint-segments',
    help: 'keep memory flat: recompute each segment in the backward pass',
  }),
  nonFinite,
  /** Steps between checkpoints. */
  saveEvery: setting(whole(1, limits.steps), {
    default: 100,
    flag: '--save-every <n>',
    help: 'steps from one checkpoint to the next',
  }),
});

/** A run; `fields` of this check and of those in it are the table. */
export const run = object({
  version: setting(whole(RUN_VERSION, RUN_VERSION), { default: RUN_VERSION }),
  /** The version of memgrad and the backend that began the run; others may round differently. */
  memgrad: setting(text(40), { default: MEMGRAD_VERSION }),
  backend: setting(oneOf(backendNames), { default: 'wasm' }),
  seed: setting(whole(0, Number.MAX_SAFE_INTEGER), { default: 0 }),
  model: object({
    name: setting(oneOf(modelNames), {
      default: 'rmt',
      flag: '--model <name>',
      help: 'model to train',
    }),
    config: modelConfig,
  }),
  /** The task, with all of its options. */
  task: anyTask,
  training,
  /**
   * Earlier values of settings that were changed on resuming: each entry held up to its `step`, in
   * order.
   */
  history: optional(
    list(
      object({
        step: whole(0, limits.steps),
        learningRate: optional(learningRate),
        clip: optional(clip),
        schedule: optional(schedule),
        nonFinite: optional(nonFinite),
      }),
    ),
  ),
});

/** The settings of a model, without the backend. */
export type ModelSettings = ReturnType<typeof modelConfig>;
/** How a run is trained. */
export type TrainingConfig = ReturnType<typeof training>;
/** The settings that may change when a run is resumed. */
export type Changeable = Omit<NonNullable<ReturnType<typeof run>['history']>[number], 'step'>;
/** Everything that determines a run. */
export type RunConfig = ReturnType<typeof run>;
