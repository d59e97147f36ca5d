/** Builds the model that a fixture's configuration describes. */
import { type Backend, type Key, MemgradError, Parameter, Tensor, type Tree } from 'memgrad';
import {
  type AnyConfig,
  createModel,
  loadReference,
  type MemoryAndCache,
  type ModelName,
  presets,
  SegmentModel,
  type SegmentOutput,
} from 'memgrad/models';
import type { FixtureConfig, FixtureTensor } from './fixture.js';

/** How the reference's training scripts change the state between segments and batches. */
export interface StateRules {
  /** Every segment starts from the initial state. */
  independent?: boolean;
  /** Every segment starts with the initial memory; the cache is carried. */
  resetMemory?: boolean;
  /** The cache is carried from one batch to the next, although they are unrelated. */
  keepCache?: boolean;
}

/**
 * Returns the model of `config` with the parameters `params`, on `backend` in its widest floating
 * dtype. Throws `MemgradError` for a configuration that no model here has, and for parameters that
 * don't fit.
 */
export function fixtureModel(
  config: FixtureConfig,
  params: Readonly<Record<string, FixtureTensor>>,
  rules: StateRules,
  backend: Backend,
): ReferenceModel {
  requireUsable(config);
  requireSize(config, params);
  const model = createModel(nameOf(config, rules), configOf(config, backend));
  try {
    loadReference(model, exact(params));
  } catch (error) {
    model.dispose();
    throw error;
  }
  return new ReferenceModel(model, rules);
}

function requireUsable(config: FixtureConfig): void {
  const { d_embed, d_model, cutoffs, tie_weight, attn_type, same_length, mem_len } = config;
  const refuse = (what: string, expected: string): never => {
    throw new MemgradError(
      `config: ${what}, expected ${expected}; parity supports no other fixtures.`,
    );
  };
  if (d_embed !== null && d_embed !== d_model) {
    refuse(`d_embed is ${d_embed} and d_model ${d_model}`, 'them equal');
  }
  if (cutoffs.length > 0) refuse(`there are ${cutoffs.length} cutoffs`, 'none');
  if (!tie_weight) refuse('tie_weight is false', 'true');
  if (attn_type === 1 || attn_type === 3) refuse(`attn_type is ${attn_type}`, '0 or 2');
  if (same_length && mem_len === 0) {
    refuse('same_length is true and mem_len 0, so that no row sees anything', 'mem_len >= 1');
  }
}

/**
 * Restores the parameters to the reference's float32 values. Fixtures are rounded to nine digits,
 * which identify a float32 number exactly. That matters after steps of Adam, which divides a small
 * gradient by its own size: an error of 1e-9 in the parameters grows to 1e-6.
 */
function exact(
  params: Readonly<Record<string, FixtureTensor>>,
): Readonly<Record<string, FixtureTensor>> {
  const drawn = Object.values(params).every(({ data }) =>
    data.every((value) => Number(Math.fround(value).toPrecision(9)) === value),
  );
  if (!drawn) return params;
  const widened = Object.entries(params).map(([name, { shape, data }]) => [
    name,
    { shape, data: data.map(Math.fround) },
  ]);
  return Object.fromEntries(widened);
}

/**
 * Throws for a configuration with more parameters than the file holds, before they are allocated.
 */
function requireSize(
  { n_token, n_layer, n_head, d_head, d_model, d_inner }: FixtureConfig,
  params: Readonly<Record<string, FixtureTensor>>,
): void {
  const least =
    n_token * d_model + n_layer * (4 * n_head * d_head * d_model + 2 * d_model * d_inner);
  const stored = Object.values(params).reduce((sum, { data }) => sum + data.length, 0);
  if (stored >= least) return;
  throw new MemgradError(
    `config: describes a model of ${least} parameters or more, but the file has values for ${stored}; check that it is whole.`,
  );
}

function nameOf(config: FixtureConfig, { independent, resetMemory }: StateRules): ModelName {
  const { num_mem_tokens, mem_len, mem_at_end } = config;
  if (num_mem_tokens === 0) return mem_len === 0 ? 'transformer' : 'transformer-xl';
  if (mem_len > 0) return 'transformer-xl-rmt';
  return !mem_at_end && (independent || resetMemory) ? 'mem-transformer' : 'rmt';
}

function configOf(config: FixtureConfig, backend: Backend): AnyConfig {
  const { mem_len, num_mem_tokens, clamp_len } = config;
  return {
    ...presets.paper,
    dropout: 0,
    nToken: config.n_token,
    nLayer: config.n_layer,
    nHead: config.n_head,
    dModel: config.d_model,
    dHead: config.d_head,
    dInner: config.d_inner,
    norm: config.pre_lnorm ? 'pre' : 'post',
    positions: config.attn_type === 2 ? 'absolute' : 'relative-wrapped',
    clampLen: clamp_len > 0 ? clamp_len : undefined,
    memLen: Math.max(1, mem_len), // a model without a cache ignores it
    sameLength: config.same_length,
    numMemTokens: Math.max(1, num_mem_tokens),
    memAtEnd: config.mem_at_end,
    readMemFromCache: config.read_mem_from_cache,
    dtype: backend.dtypes.includes('float64') ? 'float64' : 'float32',
    backend,
  };
}

/**
 * A wrapper that changes the state as the reference's scripts do. It has the parameters of the
 * model.
 */
export class ReferenceModel extends SegmentModel {
  readonly #model: SegmentModel;
  readonly #rules: StateRules;
  /**
   * The caches at the start of this batch and of the next one, as parameters, which outlive the
   * scope of a step.
   */
  #cache: Parameter[] = [];
  #next: Parameter[] = [];

  constructor(model: SegmentModel, rules: StateRules) {
    super();
    this.#model = model;
    this.#rules = rules;
  }

  override parameters(): Record<string, Parameter> {
    return this.#model.parameters();
  }

  override dispose(): void {
    super.dispose();
    for (const rows of [...this.#cache, ...this.#next]) rows.dispose();
  }

  initialState(batch: number): Tree {
    const state = this.#model.initialState(batch);
    for (const rows of this.#cache) rows.dispose();
    [this.#cache, this.#next] = [this.#next, []];
    if (this.#cache[0]?.shape[0] !== batch) return state;
    return hasBoth(state) ? { ...state, cache: this.#cache } : this.#cache;
  }

  forward(tokens: Tensor, state: Tree, key?: Key): SegmentOutput<Tree> {
    const output = this.#model.forward(tokens, this.#before(state, tokens.shape[0]), key);
    if (this.#rules.keepCache) this.#keep(output.state);
    return output;
  }

  /** The state that a segment starts from under the rules. */
  #before(state: Tree, batch: number): Tree {
    const { independent, resetMemory } = this.#rules;
    if (!independent && !resetMemory) return state;
    const fresh = this.#model.initialState(batch);
    if (independent || fresh instanceof Tensor) return fresh;
    return hasBoth(state) && hasBoth(fresh) ? { ...state, memory: fresh.memory } : state;
  }

  #keep(state: Tree): void {
    const cache: Tree = hasBoth(state) ? state.cache : state;
    const kept = Array.isArray(cache) ? cache.map((rows: Tensor) => new Parameter(rows)) : [];
    for (const rows of this.#next) rows.dispose();
    this.#next = kept;
  }
}

function hasBoth(state: Tree): state is MemoryAndCache {
  return typeof state === 'object' && state !== null && 'memory' in state;
}
