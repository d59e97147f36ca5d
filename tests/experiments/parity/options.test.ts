/** Fixtures of configurations that no golden has, written by the oracle, through the whole of parity. */
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type ParityRow, parseFixture, runFixture } from '../../../experiments/parity/index.js';
import { Key, setDefaultBackend } from '../../../src/autograd/index.js';
import { createCpuBackend } from '../../../src/backends/cpu/index.js';
import { saveReference } from '../../../src/models/index.js';
import { type Chosen, chosen, modelOf, VOCABULARY, weightsOf } from '../../models/chosen.js';
import { type OracleOutput, oracle, type Rows } from '../../models/oracle.js';

const test = suite('parity of options');
const backend = createCpuBackend();
setDefaultBackend(backend);

interface Rules {
  time: number;
  count: number;
  depth: number;
  independent: boolean;
  resetMemory: boolean;
  answer: number | null;
}

const rules: fc.Arbitrary<Rules> = fc.record({
  time: fc.integer({ min: 1, max: 5 }),
  count: fc.integer({ min: 1, max: 4 }),
  depth: fc.integer({ min: 0, max: 3 }),
  independent: fc.boolean(),
  resetMemory: fc.boolean(),
  answer: fc.option(fc.integer({ min: 1, max: 5 })),
});

/** One sequence of `rows`, as fixtures hold it: [time, 1, width]. */
const tensor = (rows: Rows) => ({
  shape: [rows.length, 1, ...(rows.length > 0 ? [rows[0].length] : [0])],
  data: rows.flat(),
});

/** What the reference would have written for this configuration. */
async function fixtureOf(config: Chosen, { time, count, depth, ...rules }: Rules) {
  const model = modelOf(config);
  const weights = await weightsOf(model);
  const tokens = Array.from(Key.of(config.seed).integers(time * count, VOCABULARY));
  const targets = Array.from(
    Key.of(config.seed)
      .fold(1)
      .integers(time * count, VOCABULARY),
  );
  const first = {
    memory: config.numMemTokens > 0 ? weights.mem_tokens : [],
    cache: Array.from({ length: config.nLayer + 1 }, (): Rows => []),
  };
  const states: Pick<OracleOutput, 'memory' | 'cache'>[] = [first];
  const losses: number[] = [];
  const forwards: object[] = [];
  const read = (segment: number, kind: string) => {
    const carried = states[segment];
    const before = rules.independent
      ? first
      : { ...carried, memory: rules.resetMemory ? first.memory : carried.memory };
    const own = tokens.slice(segment * time, (segment + 1) * time);
    const after = oracle(config, weights, own, before.memory, before.cache);
    const nll = after.logits.map((row, i) => {
      const total = row.reduce((sum, logit) => sum + Math.exp(logit), 0);
      return Math.log(total) - row[targets[segment * time + i]];
    });
    forwards.push({
      segment,
      kind,
      loss_mean: nll.reduce((a, b) => a + b, 0) / time,
      mem_in: config.numMemTokens > 0 ? tensor(before.memory) : null,
      mem_out: config.numMemTokens > 0 ? tensor(after.memory) : null,
      logits: tensor(after.logits),
      nll: { shape: [time, 1], data: nll },
      mems_out: config.memLen > 0 ? after.cache.map(tensor) : [],
    });
    return { after, nll };
  };
  for (let t = 0; t < count; t++) {
    for (let s = Math.max(0, t - depth); s < t; s++) read(s, `reforward_for_segment_${t}`);
    const { after, nll } = read(t, 'main');
    states.push(after);
    losses.push(...nll);
  }
  const counted = losses.slice(-(rules.answer ?? losses.length));
  const params = await saveReference(model);
  return {
    config: {
      mode: 'synthetic',
      n_token: VOCABULARY,
      n_layer: config.nLayer,
      n_head: config.nHead,
      d_model: config.dModel,
      d_head: config.dHead,
      d_inner: 5,
      pre_lnorm: config.preNorm,
      tgt_len: time,
      mem_len: config.memLen,
      num_mem_tokens: config.numMemTokens,
      mem_at_end: config.memAtEnd,
      read_mem_from_cache: config.readMemFromCache,
      same_length: config.sameLength,
      attn_type: config.absolute ? 2 : 0,
      clamp_len: config.clampLen,
      mem_backprop_depth: depth,
      answer_size: rules.answer,
      independent_segments: rules.independent,
      reset_mem_each_segment: rules.resetMemory,
    },
    params: Object.fromEntries(
      Object.entries(params).map(([name, { shape, data }]) => [
        name,
        { shape, data: Array.from(data) },
      ]),
    ),
    inputs: { shape: [time * count, 1], data: tokens },
    targets: { shape: [time * count, 1], data: targets },
    forwards,
    loss: counted.reduce((a, b) => a + b, 0) / counted.length,
    grads: {},
  };
}

test('every field agrees', () =>
  fc.assert(
    fc.asyncProperty(chosen, rules, async (config, rules) => {
      const text = JSON.stringify(await fixtureOf(config, rules));
      const fixture = parseFixture(new TextEncoder().encode(text), 'fixture');
      const rows: ParityRow[] = [];
      for await (const row of runFixture(fixture, { backend, tolerance: 1e-9 })) rows.push(row);
      assert.ok(rows.length >= 1 + 3 * rules.count);
      assert.equal(
        rows.filter(({ pass }) => !pass),
        [],
      );
    }),
    { numRuns: 120, seed: 3 },
  ));

test.run();
