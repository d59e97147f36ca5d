/** Sampling of tokens: greedy, by temperature, or among the most likely. */
import { Key } from '../autograd/index.js';
import { isKey } from '../autograd/random.js';
import { isList, MemgradError } from '../errors.js';
import {
  check,
  checkOptions,
  needed,
  orInfinity,
  positive,
  requireThat,
  share,
  whole,
} from '../options.js';
import { Stream } from './stream.js';

/** Options of `sampleToken`. */
export interface SamplingOptions {
  /** Divides the logits. 0 always chooses the most likely token. Default 1. */
  temperature?: number;
  /**
   * Samples among the `topK` most likely tokens (Fan et al. 2018, arXiv 1805.04833). Default: all.
   */
  topK?: number;
  /**
   * Samples among the fewest tokens that together have this probability (Holtzman et al. 2020,
   * arXiv 1904.09751). Default 1: all.
   */
  topP?: number;
}

const samplingKinds = () => ({
  temperature: positive(),
  topK: orInfinity(whole()),
  topP: share,
});

/**
 * Draws a token from `logits` [vocabulary] with `key`; equal keys draw the same token. `topK` is
 * applied before `topP`. Throws `MemgradError` for an option out of range or logits without a
 * finite maximum.
 */
export function sampleToken(
  logits: ArrayLike<number>,
  key: Key,
  options: SamplingOptions = {},
): number {
  check('sample: key', key, isKey);
  checkOptions('sample', options, samplingKinds());
  const { temperature = 1, topK = Infinity, topP = 1 } = options;
  const values = isList(logits) ? Array.from(logits) : [];
  const areNumbers = isList(logits) && values.every((value) => typeof value === 'number');
  requireThat(areNumbers, 'sample: logits', 'a list of numbers, as data() reads them', logits);
  const largest = values.reduce((a, b) => Math.max(a, b), -Infinity);
  if (!Number.isFinite(largest)) {
    throw new MemgradError(
      `sample: the largest of ${values.length} logits is ${largest}, expected a finite number; check the model.`,
    );
  }
  // Ties are ranked by token, so greedy choice equals `argmax`.
  const ranked = values.map((_, token) => token).sort((a, b) => values[b] - values[a] || a - b);
  if (temperature === 0) return ranked[0];
  const candidates = ranked.slice(0, topK);
  const weights = candidates.map((token) => Math.exp((values[token] - largest) / temperature));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  let count = 0;
  let mass = 0;
  while (count < weights.length && mass < topP * total) mass += weights[count++];
  // A point in the probability mass of the remaining candidates.
  const draw = (key.integers(1, 2 ** 31)[0] / 2 ** 31) * mass;
  let passed = 0;
  for (let i = 0; i < count; i++) {
    passed += weights[i];
    if (draw < passed) return candidates[i];
  }
  return candidates[count - 1];
}

/** Options of `generate`. */
export interface GenerateOptions extends SamplingOptions {
  /** Number of tokens to generate. */
  count: number;
  /** Default 0. */
  seed?: number;
}

/** Continues `stream`: draws tokens one by one, pushes each into the stream, and yields it. */
export async function* generate(
  stream: Stream,
  options: GenerateOptions,
): AsyncGenerator<number, void, void> {
  requireThat(stream instanceof Stream, 'generate: the stream', 'one of model.stream', stream);
  checkOptions('sample', options, { ...samplingKinds(), count: needed(whole(0)), seed: 1 });
  const { count, seed = 0, ...sampling } = options;
  const key = Key.of(seed);
  for (let i = 0; i < count; i++) {
    const logits = stream.logits();
    const values = await logits.data();
    logits.dispose();
    const token = sampleToken(values, key.fold(i), sampling);
    stream.push([token]);
    yield token;
  }
}
