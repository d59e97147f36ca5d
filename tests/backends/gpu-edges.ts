/** What both GPU backends are held to at the edges: the rules of docs/numbers.md, and functions of our own against float64. */
import * as assert from 'uvu/assert';
import type { TypedArray } from '../../src/index.js';
import {
  type ConformanceRow,
  type EdgeRow,
  operationNames,
  type ProgramReport,
  type SizeReport,
} from '../../src/testing/index.js';
import type { Edge } from '../browser/gpu.js';
import { LONG } from './arrays.js';

/** Calls a function of ../browser/gpu.ts where the backend is. */
type Call = <T>(what: string, argument: unknown) => Promise<T>;

/** Every rule, some random programs, and operations on rows with axes of length 0 and 1. */
export const numbers: Record<string, (name: string, call: Call) => Promise<void>> = {
  async 'every rule of numbers'(name, call) {
    const rows = await call<EdgeRow[]>('rules', name);
    assert.equal(
      rows.filter(({ passed }) => !passed),
      [],
    );
    assert.ok(rows.length > 70);
  },
  async 'random programs over the edges of floats agree with cpu'(name, call) {
    // SwiftShader compiles some three kernels for each program, a tenth of a second each.
    const [count, seed] = LONG ? [1500, 5] : [12, 7];
    const report = await call<ProgramReport>('programs', { name, count, seed });
    assert.equal(report.differences, []);
    assert.ok(report.compared > 15 * count, `${report.compared} were compared`);
    assert.ok(report.sensitive < report.compared / 100, `${report.sensitive} depend on rounding`);
  },
  async 'axes of length 0 and 1: the same results, gradients and sentences as cpu'(name, call) {
    const operations = LONG ? ofRows : ofRows.slice(0, 3);
    const report = await call<SizeReport>('sizes', { name, operations });
    const { compared, refused, unseen, differences } = report;
    assert.equal(differences, []);
    assert.ok(refused < compared / 2 && unseen < compared / 5, JSON.stringify(report));
    assert.ok(compared > 200, `${compared} were compared`);
  },
};
/** Functions that are composed of other operations: the short mode runs some of their patterns. */
export const composed = (
  'atan2 ceil clip elu expm1 floor leakyRelu log1p mod round silu softplus tan cumprod cumsum ' +
  'norm prod std variance einsum conv1d conv2d flatten flip roll squeeze tile tril triu unsqueeze ' +
  'argsort sort takeAlongAxis averagePool batchNorm binaryCrossEntropy groupNorm huber maxPool mse'
).split(' ');

const ofRows = ['crossEntropy', 'gather', 'softmax', 'logSoftmax', 'linear', 'attention'];

/** Every row passed, and each of `operations` has some. */
export function checkConformance(
  rows: readonly ConformanceRow[],
  operations: readonly string[] = operationNames,
): void {
  assert.equal(
    rows.filter(({ passed }) => !passed),
    [],
  );
  for (const what of ['forward', 'gradient']) assert.ok(rows.some((row) => row.what === what));
  for (const name of operations) {
    assert.ok(
      rows.some(({ operation }) => operation === name),
      name,
    );
  }
}

type Inputs = (Float32Array | Int32Array)[];
/** Computes operations of these inputs where the backend is, all in one visit. */
type Run = (...calls: [operation: Edge, ...Inputs][]) => Promise<TypedArray[]>;

/** A `Run` by `values` of ../browser/gpu.ts. */
export function runOf(name: string, call: Call): Run {
  return (...calls) =>
    call('values', { name, calls: calls.map(([operation, ...inputs]) => ({ operation, inputs })) });
}

/** The same pseudo-random numbers from 0 to 1 each time. */
function random(): () => number {
  let state = 1;
  return () => {
    state = (state * 16807) % 2147483647;
    return state / 2147483647;
  };
}

/** The smallest float32 that no GPU takes for 0. */
const NORMAL = 2 ** -126;

/** The largest error in units of the last place; results below the normal floats may be 0. Throws where only one is NaN, infinite or negative. */
function ulps(came: TypedArray, expected: (i: number) => number, what: (i: number) => string) {
  let worst = 0;
  for (const [i, value] of came.entries()) {
    const exact = expected(i);
    const rounded = Math.fround(exact);
    if (Object.is(value, rounded)) continue;
    const size = Math.abs(exact);
    if (size < NORMAL && Math.abs(value) <= NORMAL) continue;
    // The largest floats and infinity are neighbours.
    const near = size > 3.4e38 && Math.abs(value) > 3.4e38 && value > 0 === exact > 0;
    const error = near ? 0 : Math.abs(value - exact) / 2 ** (Math.floor(Math.log2(size)) - 23);
    if (!(error < 16)) assert.unreachable(`${what(i)} is ${value}, expected ${rounded}`);
    worst = Math.max(worst, error);
  }
  return worst;
}

/** sin and cos over all magnitudes, and beside multiples of pi / 2. */
export async function checkWaves(run: Run): Promise<void> {
  const x = [0, -0, Infinity, -Infinity, NaN, 1e6, 1e8, 3.4028234663852886e38, -3.4e38];
  for (let i = 0; i < 4000; i++) x.push((-1) ** i * 2 ** ((i / 4000) * 148 - 20));
  for (let i = 1; i < 2000; i++) x.push((i * Math.PI) / 2, (-(2 ** (i / 20)) * Math.PI) / 2);
  x.push(16367173 * 2 ** 72); // the float32 that comes nearest to a multiple of pi / 2
  const inputs = Float32Array.from(x);
  const waves = ['sin', 'cos'] as const;
  const came = await run(...waves.map((wave): [Edge, Float32Array] => [wave, inputs]));
  for (const [i, wave] of waves.entries()) {
    const error = ulps(
      came[i],
      (i) => Math[wave](inputs[i]),
      (i) => `${wave}(${inputs[i]})`,
    );
    assert.ok(error < 4, `${wave}: ${error} units of the last place`);
  }
}

/** pow as Math.pow has it: signs, zeros, infinities and NaN, whole exponents, and results of every size. */
export async function checkPowers(run: Run): Promise<void> {
  const special = [0, 0.5, 0.99999994, 1, 1.0000001, 2, 2.5, 3, 3.0000002, 16, 17, 33, 1e-30, 1e30];
  special.push(...[8388607, 8388607.5, 16777215, 16777216, 3.4e38, Infinity], NaN);
  special.push(...special.map((value) => -value));
  const pairs = special.flatMap((x) => special.map((y) => [x, y]));
  const exact: [number, number][] = [];
  for (let x = -12; x <= 12; x++) for (let y = 0; y <= 6; y++) exact.push([x, y]);
  for (let y = -126; y <= 127; y++) exact.push([2, y], [-2, y]);
  const next = random();
  for (let i = 0; i < 3000; i++) {
    const x = 2 ** (next() * 120 - 60);
    pairs.push([x, (next() * 252 - 126) / Math.log2(Math.fround(x))]);
    const near = Math.fround(1 + (next() - 0.5) * 2 ** (-20 * next()));
    pairs.push([near, (next() * 252 - 126) / Math.log2(near)]);
    pairs.push([-9 * next(), Math.round(next() * 60 - 30)]);
    // Beside whole numbers, which must not be taken for them.
    pairs.push([-3 * next(), (1 + 2 ** -22) * Math.round(next() * 8)]);
  }
  const lists = [exact, pairs].map((list) =>
    [0, 1].map((side) => Float32Array.from(list, (pair) => pair[side])),
  );
  const came = await run(...lists.map(([x, y]): [Edge, ...Inputs] => ['pow', x, y]));
  const [none, error] = lists.map(([x, y], k) =>
    ulps(
      came[k],
      (i) => x[i] ** y[i],
      (i) => `pow(${x[i]}, ${y[i]})`,
    ),
  );
  assert.is(none, 0, 'where 24 bits hold the result');
  assert.ok(error < 10, `pow: ${error} units of the last place`);
}

/** int32 wraps at 32 bits, a division by 0 is 0, and a float is cut to the nearest int32, NaN to 0. */
export async function checkIntegers(run: Run): Promise<void> {
  const ends = [-(2 ** 31), -(2 ** 31) + 1, -65536, -7, -3, -1, 0, 1, 2, 3, 65535, 46341];
  const all = [...ends, 123456789, 987654321, 2 ** 31 - 1];
  const pairs = all.flatMap((a) => all.map((b) => [a, b]));
  const [a, b] = [0, 1].map((side) => Int32Array.from(pairs, (pair) => pair[side]));
  const wrapped: [Edge, (a: number, b: number) => number][] = [
    ['add', (a, b) => (a + b) | 0],
    ['sub', (a, b) => (a - b) | 0],
    ['mul', Math.imul],
    ['div', (a, b) => (b === 0 ? 0 : (a / b) | 0)],
  ];
  const [bases, exponents] = [
    [3, 3, -3, 2, 2, -2, 0, 7, 1, -1, -1, 5, 0],
    [40, 20, 21, 31, 32, 31, 0, 3, -5, -3, -2, -1, 5],
  ].map((list) => Int32Array.from(list));
  const powers = [...bases].map((base, i) => {
    if (exponents[i] < 0) return Math.abs(base) === 1 ? base ** exponents[i] : 0;
    return Number(BigInt.asIntN(32, BigInt(base) ** BigInt(exponents[i])));
  });

  const floats = [3e9, -3e9, Infinity, -Infinity, NaN, 2 ** 31, -(2 ** 31), 2147483520, 1.9, -1.9];
  const cut = floats.map((x) =>
    Number.isNaN(x) ? 0 : Math.trunc(Math.min(2 ** 31 - 1, Math.max(-(2 ** 31), x))) + 0,
  );

  const came = await run(
    ['pow', bases, exponents],
    ['sum', Int32Array.of(2 ** 31 - 1, 1)],
    ['cast', Float32Array.from(floats)],
    ...wrapped.map(([operation]): [Edge, ...Inputs] => [operation, a, b]),
  );
  const [power, sum, cast, ...others] = came.map((values) => [...values]);
  assert.equal(power, powers);
  assert.equal(sum, [-(2 ** 31)]);
  assert.equal(cast, cut);
  for (const [k, [operation, expected]] of wrapped.entries()) {
    for (const [i, value] of others[k].entries()) {
      assert.is(value, expected(a[i], b[i]) | 0, `${operation}(${a[i]}, ${b[i]})`);
    }
  }
}
