/** Every option that the reference has, in many combinations, against the plain-loop oracle. */
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  add,
  type Key,
  Key as Keys,
  mul,
  normal,
  scope,
  setDefaultBackend,
  type Tensor,
  tensor,
} from '../../src/autograd/index.js';
import { createCpuBackend } from '../../src/backends/cpu/index.js';
import {
  createModel,
  type MemoryAndCache,
  type ModelName,
  presets,
  type SegmentModel,
  saveReference,
} from '../../src/models/index.js';
import { type OracleConfig, oracle, type Rows, type Weights } from './oracle.js';

const test = suite('options');
setDefaultBackend(createCpuBackend());

interface Chosen extends OracleConfig {
  segments: number[];
  seed: number;
}

const chosen: fc.Arbitrary<Chosen> = fc
  .record({
    nLayer: fc.integer({ min: 1, max: 2 }),
    nHead: fc.integer({ min: 1, max: 2 }),
    dModel: fc.constantFrom(4, 6),
    dHead: fc.integer({ min: 1, max: 3 }),
    preNorm: fc.boolean(),
    absolute: fc.boolean(),
    memLen: fc.integer({ min: 0, max: 9 }),
    numMemTokens: fc.integer({ min: 0, max: 4 }),
    memAtEnd: fc.boolean(),
    readMemFromCache: fc.boolean(),
    sameLength: fc.boolean(),
    clampLen: fc.integer({ min: -1, max: 8 }),
    segments: fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 4 }),
    seed: fc.nat(1000),
  })
  .map((config) => ({ ...config, sameLength: config.sameLength && config.memLen > 0 }));

const VOCABULARY = 5;

function modelOf(config: Chosen): SegmentModel {
  const { memLen, numMemTokens, clampLen } = config;
  const names: [ModelName, ModelName] =
    memLen > 0 ? ['transformer-xl', 'transformer-xl-rmt'] : ['transformer', 'rmt'];
  const model = createModel(names[numMemTokens > 0 ? 1 : 0], {
    ...presets.paper,
    dropout: 0,
    dtype: 'float64',
    nToken: VOCABULARY,
    nLayer: config.nLayer,
    nHead: config.nHead,
    dModel: config.dModel,
    dHead: config.dHead,
    dInner: 5,
    norm: config.preNorm ? 'pre' : 'post',
    positions: config.absolute ? 'absolute' : 'relative-wrapped',
    memLen: memLen || 1,
    numMemTokens: numMemTokens || 1,
    memAtEnd: config.memAtEnd,
    readMemFromCache: config.readMemFromCache,
    sameLength: config.sameLength,
    clampLen: clampLen > 0 ? clampLen : undefined,
  });
  enlarge(model, Keys.of(config.seed));
  return model;
}

/** Parameters of a size at which a wrong term shows. */
function enlarge(model: SegmentModel, key: Key): void {
  Object.values(model.parameters()).forEach((parameter, i) => {
    scope(() => {
      const noise = normal(key.fold(i), parameter.shape, { dtype: 'float64' });
      parameter.assign(add(parameter, mul(noise, 0.5)));
    });
  });
}

async function weightsOf(model: SegmentModel): Promise<Weights> {
  const rows = ({ shape, data }: { shape: readonly number[]; data: ArrayLike<number> }): Rows => {
    const width = shape[shape.length - 1];
    const values = Array.from(data);
    return Array.from({ length: values.length / width }, (_, i) =>
      values.slice(i * width, (i + 1) * width),
    );
  };
  const arrays = Object.entries(await saveReference(model));
  return Object.fromEntries(arrays.map(([name, array]) => [name, rows(array)]));
}

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
        const tokens = Keys.of(config.seed)
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
