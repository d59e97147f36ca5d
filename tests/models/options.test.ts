/** Every option that the reference has, in many combinations, against the plain-loop oracle. */
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Key, setDefaultBackend, type Tensor, tensor } from '../../src/autograd/index.js';
import { createCpuBackend } from '../../src/backends/cpu/index.js';
import type { MemoryAndCache } from '../../src/models/index.js';
import { chosen, modelOf, VOCABULARY, weightsOf } from './chosen.js';
import { oracle, type Rows } from './oracle.js';

const test = suite('options');
setDefaultBackend(createCpuBackend());

async function agrees(ours: Tensor, sequence: number, expected: Rows, what: string) {
  const data = await ours.data();
  const flat = expected.flat();
  const part = Array.from(data.slice(sequence * flat.length, (sequence + 1) * flat.length));
  assert.is(data.length % Math.max(1, flat.length), 0, `${what}: size`);
  flat.forEach((value, i) => {
    assert.ok(Math.abs(part[i] - value) < 1e-9, `${what}[${i}]: ${part[i]}, expected ${value}`);
  });
}

test('logits, memory and cache over several segments of any lengths', () =>
  fc.assert(
    fc.asyncProperty(chosen, async (config) => {
      const model = modelOf(config);
      const weights = await weightsOf(model);
      const { numMemTokens, memLen } = config;
      const initial = numMemTokens > 0 ? weights.mem_tokens : [];
      const states = [0, 1].map(() => ({
        memory: initial,
        cache: Array.from({ length: config.nLayer + 1 }, (): Rows => []),
      }));
      let state = model.initialState(2);
      for (const [s, time] of config.segments.entries()) {
        const tokens = Key.of(config.seed)
          .fold(s)
          .integers(2 * time, VOCABULARY);
        const output = model.forward(tensor(tokens, { shape: [2, time] }), state);
        state = output.state;
        for (const b of [0, 1]) {
          const own = Array.from(tokens.subarray(b * time, (b + 1) * time));
          const expected = oracle(config, weights, own, states[b].memory, states[b].cache);
          states[b] = expected;
          await agrees(output.logits, b, expected.logits, `logits of segment ${s}`);
          const { memory, cache } = (
            numMemTokens > 0 && memLen > 0 ? state : { memory: state, cache: state }
          ) as MemoryAndCache;
          if (numMemTokens > 0) await agrees(memory, b, expected.memory, 'memory');
          if (memLen === 0) continue;
          for (const [l, rows] of cache.entries()) {
            await agrees(rows, b, expected.cache[l], `cache ${l} after segment ${s}`);
          }
        }
      }
    }),
    { numRuns: 150, seed: 5 },
  ));

test.run();
