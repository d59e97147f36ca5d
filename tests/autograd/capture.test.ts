/** Captured functions: the same results as the function itself, from kernels alone. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  add,
  attention,
  capture,
  checkpoint,
  crossEntropy,
  dropout,
  grad,
  Key,
  layerNorm,
  linear,
  memoryReport,
  mul,
  normal,
  observe,
  Parameter,
  reshape,
  scope,
  sum,
  type Tensor,
  tanh,
  tensor,
  valueAndGrad,
  watch,
} from '../../src/autograd/index.js';
import { loadBackend } from '../../src/backends/index.js';
import { refusal } from './helpers.js';

const test = suite('capture');

const values = async (x: Tensor) => [...(await x.data())];

for (const name of ['cpu', 'wasm'] as const) {
  const backend = await loadBackend(name);
  const make = (seed: number, ...shape: number[]) => normal(Key.of(seed), shape, { backend });
  const bits = async (all: readonly Tensor[]) =>
    Promise.all(all.map(async (x) => `${x.shape}: ${await values(x)}`));

  test(`${name}: replays compute what the function computes, of other tensors, and call it no more`, async () => {
    let calls = 0;
    const f = (x: Tensor, w: Tensor, b: Tensor) => {
      calls++;
      const y = layerNorm(linear(x, w, b), b, b);
      return { y, total: sum(attention(y, y, y, { heads: 2 })), list: [reshape(y, [-1]), y] };
    };
    const captured = capture(f);
    for (let seed = 0; seed < 4; seed++) {
      const inputs = [make(seed, 3, 6), make(seed + 9, 4, 6), make(seed + 99, 4)] as const;
      const [came, expected] = [captured(...inputs), f(...inputs)];
      const flat = ({ y, total, list }: typeof came) => [y, total, ...list];
      assert.equal(await bits(flat(came)), await bits(flat(expected)));
    }
    assert.is(calls, 5, 'once to record');
    const [x, w, b] = [make(1, 2, 6), make(2, 4, 6), make(3, 4)];
    captured(x, w, b);
    assert.is(calls, 6, 'another shape is another program');
    captured.dispose();
  });

  test(`${name}: gradients, checkpoints and derivatives of derivatives`, async () => {
    const loss = (x: Tensor) => sum(tanh(mul(checkpoint((y: Tensor) => tanh(mul(y, y)))(x), x)));
    for (const f of [loss, grad(loss), grad((x: Tensor) => sum(grad(loss)(x)))]) {
      const captured = capture(f);
      for (let seed = 0; seed < 3; seed++) {
        const x = make(seed, 5);
        assert.equal(await bits([captured(x)]), await bits([f(x)]));
      }
    }
  });

  test(`${name}: parameters are read as they are, and may be assigned to`, async () => {
    const train = () => {
      const w = new Parameter(make(1, 4, 3));
      const loss = (x: Tensor) => sum(mul(linear(x, w), linear(x, w)));
      const step = (x: Tensor) => {
        const [value, { w: g }] = valueAndGrad(loss, { w })(x);
        w.assign(add(w, mul(g, -0.01)));
        return value;
      };
      return { w, step };
    };
    const [plain, other] = [train(), train()];
    const captured = capture(other.step);
    for (let seed = 0; seed < 5; seed++) {
      const x = make(seed, 2, 3);
      assert.equal(
        await bits([scope(() => captured(x))]),
        await bits([scope(() => plain.step(x))]),
      );
      assert.equal(await bits([other.w]), await bits([plain.w]));
      if (seed === 2) for (const { w } of [plain, other]) w.assign(mul(w, 2));
    }
  });

  test(`${name}: a key is an argument, and so are the keys derived from it`, async () => {
    const f = (x: Tensor, keys: { a: Key }) =>
      add(dropout(x, 0.5, keys.a), dropout(x, 0.3, keys.a.fold(7).fold(1)));
    const captured = capture(f);
    for (let seed = 0; seed < 4; seed++) {
      const [x, a] = [make(seed, 50), Key.of(seed)];
      assert.equal(await bits([captured(x, { a })]), await bits([f(x, { a })]));
    }
  });

  test(`${name}: nothing is left over, and dispose frees the constants`, () => {
    const before = memoryReport().buffers;
    const constant = make(5, 3);
    const captured = capture((x: Tensor) => mul(add(x, constant), add(constant, 1)));
    scope(() => {
      for (let seed = 0; seed < 5; seed++) captured(make(seed, 3));
    });
    assert.is(memoryReport().buffers, before + 2, 'the constant, and the sum of constants');
    captured.dispose();
    constant.dispose();
    assert.is(memoryReport().buffers, before);
  });
}

const wasm = await loadBackend('wasm');

test('where a kernel declines at a replay, the function itself runs', async () => {
  const f = (q: Tensor, mask: Tensor) => attention(q, q, q, { mask });
  const captured = capture(f);
  const mask = tensor(
    [
      [1, 0],
      [1, 0],
    ],
    { dtype: 'int32', backend: wasm },
  );
  for (const hidden of [1, NaN, 2]) {
    const q = tensor(
      [
        [1, 2],
        [hidden, 3],
      ],
      { backend: wasm },
    );
    assert.equal(await values(captured(q, mask)), await values(f(q, mask)));
  }
});

test('an error of a kernel is the error of the function, and the next call works', async () => {
  const losses = (x: Tensor, t: Tensor) => crossEntropy(x, t, { reduction: 'none' });
  const captured = capture(losses);
  const x = tensor([[1, 2]], { backend: wasm });
  const target = (index: number) => tensor([index], { dtype: 'int32', backend: wasm });
  const first = await values(captured(x, target(1)));
  assert.match(await refusal(() => captured(x, target(5))), /crossEntropy: a target is outside/);
  assert.equal(await values(captured(x, target(1))), first);
});

test('one tensor in two places, other numbers and other structures are other programs', async () => {
  let calls = 0;
  const captured = capture((x: Tensor, how: { y?: Tensor; by: number }) => {
    calls++;
    return mul(add(x, how.y ?? x), how.by);
  });
  const [x, y] = [tensor([1, 2]), tensor([10, 20])];
  assert.equal(await values(captured(x, { y, by: 2 })), [22, 44]);
  assert.equal(await values(captured(x, { y: x, by: 2 })), [4, 8]);
  assert.equal(await values(captured(y, { y: x, by: 2 })), [22, 44]);
  assert.equal(await values(captured(x, { by: 3 })), [6, 12]);
  assert.is(calls, 3);
});

test('under a derivative, an observer or a watcher the function runs as it is', async () => {
  let calls = 0;
  const square = capture((x: Tensor) => {
    calls++;
    return mul(x, x);
  });
  const x = tensor([3]);
  square(x);
  square(x);
  assert.is(calls, 1);
  assert.equal(await values(grad((y: Tensor) => sum(square(y)))(x)), [6]);
  observe(() => square(x));
  const seen: string[] = [];
  watch(
    () => square(x),
    ({ operation }) => seen.push(operation),
  );
  assert.equal(seen, ['mul']);
  assert.is(calls, 4);
});

test('at most as many programs are kept as allowed', () => {
  let calls = 0;
  const captured = capture(
    (x: Tensor) => {
      calls++;
      return mul(x, 2);
    },
    { programs: 2 },
  );
  for (const length of [1, 2, 1, 3, 1, 2]) captured(tensor(Array(length).fill(1)));
  assert.is(calls, 4, '2 was dropped for 3, since 1 was used later');
});

test('with two recordings, a function with a state of its own is noticed and always runs', async () => {
  let carried: Tensor = tensor([0]);
  let count = 0;
  const impure: Record<string, (x: Tensor) => Tensor> = {
    'a tensor': (x) => {
      carried = add(x, carried);
      return carried;
    },
    'a number': (x) => mul(x, count++),
    'a value': (x) => add(x, tensor([count++])),
    'a key': (x) => dropout(x, 0.5, Key.of(count++)),
    'another operation': (x) => (count++ % 2 === 0 ? mul(x, 2) : add(x, 2)),
  };
  for (const [what, f] of Object.entries(impure)) {
    const captured = capture(f, { recordings: 2 });
    carried = tensor([0]);
    count = 0;
    const came: number[][] = [];
    for (let i = 0; i < 4; i++) came.push(await values(captured(tensor([i + 1]))));
    carried = tensor([0]);
    count = 0;
    const expected: number[][] = [];
    for (let i = 0; i < 4; i++) expected.push(await values(f(tensor([i + 1]))));
    assert.equal(came, expected, what);
  }
  let calls = 0;
  const pure = capture(
    (x: Tensor, key: Key) => {
      calls++;
      return dropout(x, 0.5, key.fold(3));
    },
    { recordings: 2 },
  );
  for (let i = 0; i < 4; i++) pure(tensor([i]), Key.of(i));
  assert.is(calls, 2);
});

test('a function that returns nothing runs once', () => {
  let calls = 0;
  const w = new Parameter(tensor([1]));
  const captured = capture((x: Tensor) => {
    calls++;
    w.assign(add(w, x));
  });
  for (let i = 0; i < 3; i++) captured(tensor([1]));
  assert.is(calls, 1);
});

test('a function that throws while it is recorded leaves nothing behind', () => {
  const before = memoryReport().buffers;
  const captured = capture((x: Tensor) => {
    add(x, 1);
    throw new Error('mine');
  });
  const x = tensor([1]);
  assert.throws(() => scope(() => captured(x)), /mine/);
  x.dispose();
  assert.is(memoryReport().buffers, before);
});

test('what cannot be captured is refused in a sentence', async () => {
  const messages: [() => unknown, RegExp][] = [
    [() => capture(5 as never), /capture: f must be a function/],
    [() => capture((x) => x, { program: 1 } as never), /no option "program".*programs/],
    [() => capture((x: Map<string, Tensor>) => x)(new Map()), /expected tensors, keys, numbers/],
    [() => capture((f: () => void) => f)(() => {}), /expected tensors, keys/],
    [() => capture(async (x: Tensor) => x)(tensor(1)), /returned a promise/],
    [() => capture((key: Key) => normal(key, [2]))(Key.of(1)), /normal draws numbers on the host/],
    [() => capture((x: Tensor) => new Map([['x', x]]))(tensor(1)), /in lists and plain objects/],
  ];
  for (const [call, message] of messages) assert.match(await refusal(call), message);
});

test.run();
