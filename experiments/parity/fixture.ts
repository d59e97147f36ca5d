/** Fixtures: files with numbers that the published code computed. Nothing in them is trusted. */
import { MemgradError } from 'memgrad';
import {
  type Check,
  dictionary,
  flag,
  list,
  object,
  oneOf,
  orDefault,
  orNull,
  pair,
  real,
  refuse,
  shownPath,
  whole,
} from 'memgrad/cli';
import { limits } from 'memgrad/runs';
import { readJson } from './json.js';

/** A tensor of a fixture, time-major. */
export interface FixtureTensor {
  readonly shape: readonly number[];
  readonly data: readonly number[];
}

const others = { others: true };
const length = whole(0, 2 ** 31);
const MOST_AXES = 8;

const zero: Check<0> = (value, path) => (value === 0 ? 0 : refuse(path, value, '0'));

const finite: Check<number> = (value, path) =>
  Number.isFinite(value) ? (value as number) : refuse(path, value, 'a finite number');

const numbers: Check<readonly number[]> = (value, path) => {
  if (!Array.isArray(value)) refuse(path, value, 'a list of numbers');
  const at = (value as unknown[]).findIndex((item) => !Number.isFinite(item));
  if (at >= 0) finite((value as unknown[])[at], `${path}[${at}]`);
  return value as number[];
};

const shapeOf: Check<readonly number[]> = (value, path) =>
  Array.isArray(value) && value.length > MOST_AXES
    ? refuse(path, value, `a list of at most ${MOST_AXES}`)
    : list(length)(value, path);

const tensor: Check<FixtureTensor> = (value, path) => {
  const { shape, data } = object({ shape: shapeOf, data: numbers }, others)(value, path);
  const size = shape.reduce((product, length) => product * length, 1);
  if (size !== data.length) {
    throw new MemgradError(
      `${path} has shape [${shape.join(', ')}] and ${data.length} values, but the product must be their number.`,
    );
  }
  return { shape, data };
};

const modelConfig = {
  n_token: whole(2, 1_000_000),
  n_layer: whole(1, limits.layers),
  n_head: whole(1, limits.heads),
  d_model: whole(2, limits.width),
  d_head: whole(1, limits.width),
  d_inner: whole(1, limits.width),
  pre_lnorm: orDefault(flag, false),
  tgt_len: whole(1, limits.segmentLength),
  mem_len: whole(0, limits.cache),
  num_mem_tokens: whole(0, limits.memoryTokens),
  mem_at_end: orDefault(flag, true),
  read_mem_from_cache: orDefault(flag, false),
  same_length: orDefault(flag, false),
  /** 0: relative positions; 2: absolute ones, added to the embeddings. */
  attn_type: orDefault(whole(0, 3), 0),
  clamp_len: orDefault(finite, -1),
  // No fixture has these, so a file with other values is refused rather than compared wrongly:
  d_embed: orDefault(orNull(length), null),
  div_val: orDefault(whole(1, 1), 1),
  cutoffs: orDefault(list(length), []),
  dropout: orDefault(zero, 0),
  dropatt: orDefault(zero, 0),
  tie_weight: orDefault(flag, true),
  ext_len: orDefault(zero, 0),
};

const depth = orDefault(whole(0, 100_000), 0);
const answerSize = orDefault(orNull(whole(1, 2 ** 31)), null);

const forward = object(
  {
    segment: length,
    kind: orDefault(
      (value, path) =>
        typeof value === 'string' && /^(main|reforward_for_segment_\d{1,6})$/.test(value)
          ? value
          : refuse(path, value, 'main or reforward_for_segment_N'),
      'main',
    ),
    loss_mean: orDefault(orNull(finite), null),
    mem_in: orDefault(orNull(tensor), null),
    mem_out: orDefault(orNull(tensor), null),
    logits: orDefault(orNull(tensor), null),
    nll: orDefault(orNull(tensor), null),
    mems_out: orDefault(orNull(list(tensor)), null),
  },
  others,
);
const gradients = dictionary(orNull(tensor));

const caseConfig = object(
  {
    ...modelConfig,
    mode: oneOf(['synthetic', 'lm']),
    mem_backprop_depth: depth,
    answer_size: answerSize,
    reset_mem_each_segment: orDefault(flag, false),
    independent_segments: orDefault(flag, false),
  },
  others,
);
const sequence = { params: dictionary(tensor), inputs: tensor, targets: tensor };

/** One sequence: the values of each forward pass, the loss and its gradients. */
const syntheticCase = object(
  { config: caseConfig, ...sequence, forwards: list(forward), loss: finite, grads: gradients },
  others,
);
/** A stream with one loss per segment. */
const streamCase = object(
  {
    config: caseConfig,
    ...sequence,
    steps: list(object({ forwards: list(forward), loss: finite, grads: gradients }, others)),
  },
  others,
);

const trained = object(
  {
    losses: numbers,
    grad_norms_before_clip: numbers,
    final_params: dictionary(tensor),
  },
  others,
);
/** A few optimiser steps. */
const trainingCase = object(
  {
    script: oneOf(['train_synthetic.py', 'train.py']),
    config: object({ ...modelConfig, mem_backprop_depth: depth, answer_size: answerSize }, others),
    optimizer: object(
      {
        name: oneOf(['Adam']),
        lr: real(0, 1000),
        betas: orDefault(pair(real(0, 1)), [0.9, 0.999] as const),
        eps: orDefault(real(0, 1), 1e-8),
        weight_decay: orDefault(real(0, 1000), 0),
        clip_grad_norm: real(0, 1e9, { open: true }),
        schedule: orDefault(oneOf(['constant']), 'constant'),
      },
      others,
    ),
    init_params: dictionary(tensor),
    batches: list(object({ data: tensor, target: tensor }, others)),
    /** The same run in both precisions. Every backend is compared with float64. */
    float64: trained,
    float32: orDefault(orNull(trained), null),
  },
  others,
);

/** Greedy evaluation of one batch. */
const evaluationCase = object(
  {
    config: object(modelConfig, others),
    answer_size: whole(1, 2 ** 31),
    params: dictionary(tensor),
    data: tensor,
    target: tensor,
    teacher_forced_argmax: tensor,
    free_running_target_preds: orDefault(orNull(tensor), null),
    num_correct: finite,
    num_correct_teacher_forced: finite,
    num_total: finite,
    loss: finite,
    returned_accuracy: finite,
  },
  others,
);

export type Forward = ReturnType<typeof forward>;
export type SyntheticCase = ReturnType<typeof syntheticCase>;
export type StreamCase = ReturnType<typeof streamCase>;
export type TrainingCase = ReturnType<typeof trainingCase>;
export type EvaluationCase = ReturnType<typeof evaluationCase>;
/** The model configuration that all fixtures have. */
export type FixtureConfig = EvaluationCase['config'];

/** A checked fixture. */
export type Fixture =
  | { kind: 'synthetic'; fixture: SyntheticCase }
  | { kind: 'stream'; fixture: StreamCase }
  | { kind: 'training'; fixture: TrainingCase }
  | { kind: 'evaluation'; fixture: EvaluationCase };

/**
 * Parses a fixture, JSON of at most 64 MiB. Throws `MemgradError`, starting with `origin`, for
 * bytes that aren't one.
 */
export function parseFixture(bytes: Uint8Array, origin: string): Fixture {
  const name = shownPath(origin);
  const value = readJson(bytes, name);
  const path = `${name}:`;
  const has = (field: string) => typeof value === 'object' && value !== null && field in value;
  if (has('forwards')) return { kind: 'synthetic', fixture: syntheticCase(value, path) };
  if (has('batches')) return { kind: 'training', fixture: trainingCase(value, path) };
  if (has('steps')) return { kind: 'stream', fixture: streamCase(value, path) };
  if (has('teacher_forced_argmax')) {
    return { kind: 'evaluation', fixture: evaluationCase(value, path) };
  }
  throw new MemgradError(
    `${name} has none of the fields forwards, steps, batches and teacher_forced_argmax, one of which every fixture has; pass a fixture.`,
  );
}
