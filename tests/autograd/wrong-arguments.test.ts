/**
 * Everything that is exported, called with whatever a caller without types may pass: nothing but
 * `MemgradError` comes out, at once or from a promise, and nothing hangs.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createCpuBackend } from '../../src/backends/cpu/index.js';
import * as memgrad from '../../src/index.js';
import { type Call, fault } from '../junk.js';
import { RUNS, SEED } from './helpers.js';

const test = suite('wrong arguments');
const { Key, Parameter, scope, tensor, zeros } = memgrad;

const cpu = createCpuBackend();
const wasm = await memgrad.loadBackend('wasm');

const cyclic: unknown[] = [];
cyclic.push(cyclic);
const ring: Record<string, unknown> = {};
ring.self = ring;
const freed = tensor([1, 2]);
freed.dispose();
const freedParameter = new Parameter(tensor([1, 2]));
freedParameter.dispose();
class Holder {
  weight = tensor([1]);
}
const x = tensor([
  [1, 2],
  [3, 4],
]);

/** Values of every kind; those that belong somewhere are wrong elsewhere. */
const values: unknown[] = [
  ...[undefined, null, true, 0, -0, 1, 2, -1, 1.5, NaN, Infinity, 2 ** 31, 2 ** 40, 1e300],
  ...['', 'x', 'float32', 'int32', 'float16', 'wasm', 'y'.repeat(1e5), 10n, Symbol('s')],
  ...[[], [0], [1, 0], [2, 2], [-1], [2 ** 40], [2 ** 40, 0], [1.5], ['a'], [undefined]],
  ...[[[1, 2], [3]], cyclic, [cyclic, 1], [[]], new Array(5), [Symbol('t')], [null], [10n]],
  ...[{}, Object.create(null), ring, { a: x }, { shape: [2] }, { keepDims: true }, { axis: 0 }],
  ...[new Map([['w', x]]), new Set([x]), new Holder(), new Date(), /x/, Promise.resolve(1)],
  ...[
    new Float32Array(3),
    new Uint8Array(2),
    new BigInt64Array(1),
    new DataView(new ArrayBuffer(8)),
  ],
  ...[() => 1, () => x, (y: unknown) => y, async () => 1, memgrad.add],
  ...[x, tensor(2), tensor([1, 2]), zeros([0]), zeros([2, 0]), zeros([2, 3, 4]), freed],
  ...[tensor([0, 1], { dtype: 'int32' }), tensor([[0], [9]], { dtype: 'int32' })],
  ...[tensor([1, 2], { dtype: 'float64', backend: cpu }), zeros([2, 2], { backend: wasm })],
  ...[
    new Parameter(x),
    freedParameter,
    Key.of(1),
    [x, x],
    [x, null],
    [freed],
    [
      [0, 0],
      [1, 1],
    ],
  ],
  ...[wasm, { backend: wasm }, { backend: 'cpu' }, { dtype: 'int32' }, { dtype: 'float64' }],
];

/** What to call: functions, constructors and methods. */
const calls: Record<string, Call> = {};
for (const [name, exported] of Object.entries(memgrad)) {
  if (typeof exported !== 'function') continue;
  const isClass = /^class\b/.test(Function.prototype.toString.call(exported));
  if (name === 'backends' || name === 'resetPeakMemory') continue; // they take nothing
  if (isClass && exported.prototype instanceof Error) continue;
  calls[name] = isClass
    ? (...args) => Reflect.construct(exported, args)
    : (exported as unknown as Call);
}
calls['Key.of'] = Key.of as Call;
for (const method of ['fold', 'split', 'integers'] as const) {
  calls[`key.${method}`] = (...args) => (Key.of(1)[method] as Call)(...args);
}
calls['parameter.assign'] = (value) => new Parameter(x).assign(value as memgrad.Tensor);
calls['freed.assign'] = (value) => freedParameter.assign(value as memgrad.Tensor);
// Functions that the engine returns.
const { checkpoint, grad, valueAndGrad, vjp } = memgrad;
for (const [name, transform] of Object.entries({ grad, valueAndGrad, checkpoint, vjp })) {
  for (const [of, f] of [
    ['sum', memgrad.sum],
    ['a function of nothing', () => undefined],
  ] as const) {
    calls[`${name} of ${of}`] = (...args) => {
      const made = (transform as Call)(f, ...(name === 'vjp' ? args : []));
      return name === 'vjp' ? (made as [unknown, Call])[1](...args) : (made as Call)(...args);
    };
  }
}

let state = SEED;
function below(limit: number): number {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return Math.floor((state / 2 ** 32) * limit);
}

/** As `fault` of junk.ts, with the tensors freed and the default backend put back. */
async function faultOf(name: string, call: Call, args: unknown[]): Promise<string | undefined> {
  const scoped: Call = (...given) => {
    let result: unknown;
    scope(() => {
      result = call(...given);
    });
    return result;
  };
  const found = await fault(name, scoped, args);
  memgrad.setDefaultBackend(cpu);
  return found;
}

for (const [name, call] of Object.entries(calls)) {
  test(name, async () => {
    const lists = [[], ...values.map((value) => [value])];
    // What comes first is often right, so that the arguments behind it are looked at too.
    const first = [x, Key.of(1), memgrad.sum, [x, x], [2, 2]];
    for (const value of values) {
      for (const right of first) lists.push([right, value], [right, x, value]);
      lists.push([x, x, x, value]);
    }
    for (let i = 0; i < 2 * RUNS; i++) {
      lists.push(Array.from({ length: 2 + below(3) }, () => values[below(values.length)]));
    }
    const faults: string[] = [];
    for (const args of lists) {
      const found = await faultOf(name, call, args);
      if (found) faults.push(found);
    }
    assert.is(faults.slice(0, 8).join('\n'), '', `${faults.length} of ${lists.length}`);
  });
}

test('the values that were passed are as they were', async () => {
  assert.equal(await x.array(), [
    [1, 2],
    [3, 4],
  ]);
});

test.run();
