/** The rules of docs/numbers.md on cpu and wasm, and functions over floats of every kind. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as m from '../../src/autograd/index.js';
import type { Backend, DeviceBuffer, TypedArray } from '../../src/backends/backend.js';
import { createCpuBackend } from '../../src/backends/cpu/index.js';
import { createWasmBackend } from '../../src/backends/wasm/index.js';
import { checkEdges, checkPrograms, checkSizes } from '../../src/testing/index.js';
import { createFlushingBackend } from '../../src/testing/narrow.js';
import { Programs } from '../../src/testing/programs.js';
import { stepMakers } from '../../src/testing/steps.js';
import { LONG, random } from './arrays.js';

const test = suite('numbers');
const backends = [createCpuBackend(), createWasmBackend()];

for (const backend of backends) {
  test(`${backend.name}: every rule`, async () => {
    const rows = await checkEdges(backend);
    assert.equal(
      rows.filter(({ passed }) => !passed),
      [],
    );
    assert.ok(rows.length > 70);
  });
}

/** A cpu backend that breaks a promise. */
function broken(change: (cpu: Backend) => Partial<Backend>): Backend {
  return Object.assign(createCpuBackend(), change(createCpuBackend()));
}

const wrapping = broken((cpu) => ({
  cast: (x, dtype) => {
    const { data } = x as unknown as { data: TypedArray };
    return dtype === 'int32' ? cpu.upload(Int32Array.from(data)) : cpu.cast(x, dtype);
  },
}));

test('a backend that breaks a rule is found', async () => {
  const failed = (await checkEdges(wrapping)).filter(({ passed }) => !passed);
  assert.equal([...new Set(failed.map(({ rule }) => rule))], ['cast to int32 saturates']);
});

// Other programs in the long form than in the short one.
test('random programs over the edges of floats agree', async () => {
  for (const seed of LONG ? [1, 2, 3] : [4]) {
    const { compared, sensitive, differences } = await checkPrograms(createWasmBackend(), {
      count: LONG ? 20_000 : 600,
      seed,
    });
    assert.equal(differences, []);
    assert.ok(compared > 10_000);
    assert.ok(sensitive < compared / 200, `${sensitive} of ${compared} depend on rounding`);
  }
});

test('random programs call every operation', () => {
  const programs = new Programs(1);
  const called = new Set(Array.from({ length: 3000 }, () => programs.next().names).flat());
  assert.equal(
    Object.keys(stepMakers).filter((name) => !called.has(name)),
    [],
  );
});

test('random programs find a backend that differs', async () => {
  const { differences } = await checkPrograms(wrapping, { count: 300 });
  assert.ok(differences.length > 0);
  // These cast to int32.
  assert.ok(differences.every(({ operations }) => /int32|cast|oneHot/.test(operations.join())));
});

test('what a GPU may do is found, unless an option allows it', async () => {
  const flushing = createFlushingBackend();
  const failed = (await checkEdges(flushing)).filter(({ passed }) => !passed);
  assert.equal(
    [...new Set(failed.map(({ rule }) => rule))],
    ['pow follows JavaScript', 'denormals add up', 'small results of exp and sigmoid'],
  );
  const allowed = await checkEdges(flushing, { flushesDenormals: true });
  assert.ok(allowed.every(({ passed }) => passed));
  const options = { count: 300, seed: 4 };
  assert.ok((await checkPrograms(flushing, options)).differences.length > 0);
  const report = await checkPrograms(flushing, { ...options, flushesDenormals: true });
  assert.equal(report.differences, []);

  const seen = (cpu: Backend, indices: DeviceBuffer, rows: number) => {
    const { data } = indices as unknown as { data: Int32Array };
    return cpu.upload(data.map((index) => Math.min(index, rows - 1)));
  };
  const blind = broken((cpu) => ({
    gather: (table, indices, width) =>
      cpu.gather(table, seen(cpu, indices, table.size / width), width),
    scatterAdd: (values, indices, rows, width) =>
      cpu.scatterAdd(values, seen(cpu, indices, rows), rows, width),
  }));
  const operations = ['gather'];
  assert.ok((await checkSizes(blind, { operations })).differences.length > 0);
  const { unseen, differences } = await checkSizes(blind, { operations, seesIndices: false });
  assert.equal(differences, []);
  assert.ok(unseen > 0);
});

const ofRows = ['softmax', 'logSoftmax', 'crossEntropy', 'linear', 'attention'];

test('axes of length 0 and 1: the same results, gradients and sentences', async () => {
  const options = LONG ? {} : { operations: ofRows };
  const { compared, refused, differences } = await checkSizes(createWasmBackend(), options);
  assert.equal(differences, []);
  assert.ok(compared > 500 && refused < compared / 2, `${compared}, ${refused}`);
});

/** Where a float32 stands among all of them, in order. */
function place(value: number): number {
  const bits = new Int32Array(Float32Array.of(value).buffer)[0];
  return bits < 0 ? -(bits & 0x7fffffff) : bits;
}

/** Fails where a result is further than `most` floats from the right one, or of another kind. */
function near(
  came: ArrayLike<number>,
  right: ArrayLike<number>,
  most: number,
  of: (i: number) => string,
) {
  for (let i = 0; i < came.length; i++) {
    const [value, expected] = [came[i], right[i]];
    if (Object.is(value, expected)) continue;
    const isOther = Number.isNaN(value) || Number.isNaN(expected) || value * expected < 0;
    const isZero = value === 0 && expected === 0; // of the other sign
    if (isOther || isZero || Math.abs(place(value) - place(expected)) > most) {
      assert.unreachable(`${of(i)} is ${value}, expected ${expected}`);
    }
  }
}

const COUNT = LONG ? 4_000_000 : 50_000;

/** Floats of every kind: any bits, ordinary ones, and where something ends. */
function everyKind(seed: number, size: number): Float32Array {
  const next = random(seed);
  const bits = Uint32Array.from({ length: size }, () => next() * 2 ** 32);
  const values = new Float32Array(bits.buffer);
  for (let i = 0; i < size; i += 2) values[i] = (next() - 0.5) * (i % 4 ? 220 : 12);
  const ends = [0, -0, Infinity, -Infinity, NaN, 1, -1, 2 ** -149, -(2 ** -149), 2 ** -126];
  values.set([...ends, 3.4028234e38, -3.4028234e38, 88.72283, 88.72284, -87.33655, -103.97, -104]);
  return values;
}

function erf(x: number): number {
  let [term, total] = [x, x];
  if (Math.abs(x) > 6) return Math.sign(x);
  for (let n = 1; Math.abs(term) > 1e-18 * Math.abs(total); n++) {
    term *= (2 * x * x) / (2 * n + 1);
    total += term;
  }
  return Number.isNaN(x) ? x : (2 * Math.exp(-x * x) * total) / Math.sqrt(Math.PI);
}

/** Each with the most floats by which it may be off. */
const functions: [
  operation: (x: m.Tensor) => m.Tensor,
  right: (x: number) => number,
  most: number,
][] = [
  [m.exp, Math.exp, 2],
  [m.log, Math.log, 1],
  [m.sqrt, Math.sqrt, 0],
  [m.sin, Math.sin, 1],
  [m.cos, Math.cos, 1],
  [m.tanh, Math.tanh, 1],
  [m.sigmoid, (x) => 1 / (1 + Math.exp(-x)), 4],
  [m.erf, erf, 1],
  [m.relu, (x) => Math.max(x, 0), 0],
  [m.abs, Math.abs, 0],
  [m.sign, Math.sign, 0],
  [m.neg, (x) => -x, 0],
];

for (const backend of backends) {
  test(`${backend.name}: functions of one float, over floats of every kind`, async () => {
    const values = everyKind(1, COUNT);
    const x = m.tensor(values, { backend });
    for (const [i, [operation, right, most]] of functions.entries()) {
      const y = operation(x);
      const of = (at: number) => `function ${i} of ${values[at]}`;
      near(await y.data(), Float32Array.from(values, right), most, of);
      y.dispose();
    }
    x.dispose();
  });

  test(`${backend.name}: powers, over floats of every kind and beside whole exponents`, async () => {
    const next = random(2);
    const bases = everyKind(3, COUNT);
    const exponents = everyKind(4, COUNT);
    const ends = bases.slice(0, 17);
    for (let i = 0; i < 289; i++) {
      bases[i] = ends[i % 17];
      exponents[i] = ends[Math.floor(i / 17)];
    }
    for (let i = 289; i < COUNT; i++) {
      if (i % 4 === 0) continue;
      const whole = Math.floor(next() * 41) - 20;
      bases[i] = i % 4 === 1 ? Math.round((next() - 0.5) * 8200) : (next() - 0.5) * 8;
      exponents[i] = i % 4 === 3 ? whole * (1 + (Math.floor(next() * 5) - 2) * 2 ** -23) : whole;
    }
    const [a, b] = [bases, exponents].map((values) => m.tensor(values, { backend }));
    const y = m.pow(a, b);
    const right = Float32Array.from(bases, (base, i) => base ** exponents[i]);
    near(await y.data(), right, 1, (i) => `${bases[i]} to the power ${exponents[i]}`);
    for (const x of [a, b, y]) x.dispose();
  });
}

test.run();
