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
  vjp,
  watch,
} from '../../src/autograd/index.js';
import { captureTraced } from '../../src/autograd/transforms/traced.js';
import { createCpuBackend } from '../../src/backends/cpu/index.js';
import { loadBackend } from '../../src/backends/index.js';
import { OutOfMemory } from '../../src/errors.js';
import { SGD } from '../../src/training/index.js';
import { plain, refusal } from './helpers.js';

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
    const captured = captureTraced(f);
    carried = tensor([0]);
    count = 0;
    const came: number[][] = [];
    for (let i = 0; i < 5; i++) came.push(await values(captured(tensor([i + 1]))));
    carried = tensor([0]);
    count = 0;
    const expected: number[][] = [];
    for (let i = 0; i < 5; i++) expected.push(await values(f(tensor([i + 1]))));
    assert.equal(came, expected, what);
  }
  let calls = 0;
  const pure = captureTraced((x: Tensor, key: Key) => {
    calls++;
    return dropout(x, 0.5, key.fold(3));
  });
  for (let i = 0; i < 5; i++) pure(tensor([i]), Key.of(i));
  assert.is(calls, 3, 'once as it is, and twice to record');
});

test('the caller may free every result, also of a call that is not replayed', async () => {
  const x = tensor([1, 2]);
  const weight = new Parameter(tensor([3, 4]));
  const constant = tensor([5, 6]);
  const inner = capture((y: Tensor) => [mul(y, 2), y, weight, constant]);
  const free = (results: readonly Tensor[]) => {
    for (const result of results) result.dispose();
  };
  const before = memoryReport().buffers;
  scope(() => {
    grad((y: Tensor) => {
      const [z, ...others] = inner(y);
      free(others);
      return sum(z);
    })(x).dispose();
    const outer = capture((y: Tensor) => {
      const [z, ...others] = inner(y);
      free(others);
      return z;
    });
    for (let i = 0; i < 3; i++) outer(x).dispose();
    outer.dispose();
    watch(
      () => free(inner(x)),
      () => {},
    );
  });
  inner.dispose();
  assert.is(memoryReport().buffers, before);
  const kept = await Promise.all([x, weight, constant].map(values));
  assert.equal(kept.flat(), [1, 2, 3, 4, 5, 6]);
});

test('a symbol is no argument', () => {
  const captured = capture((x: unknown) => x);
  assert.throws(() => captured(Symbol('x')), /capture: expected tensors, numbers/);
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
  const named = () => Object.assign([tensor(1)], { more: tensor(2) });
  const cyclic: unknown[] = [];
  cyclic.push(cyclic);
  const messages: [() => unknown, RegExp][] = [
    [() => capture(5 as never), /capture: f must be a function/],
    [() => capture((x) => x, { program: 1 } as never), /no option "program".*programs/],
    [
      () => capture((x: Map<string, Tensor>) => x)(new Map()),
      /expected tensors, numbers, .* or keys/,
    ],
    [() => capture((f: () => void) => f)(() => {}), /expected tensors, numbers/],
    [() => capture(async (x: Tensor) => x)(tensor(1)), /returned a promise/],
    [() => capture((key: Key) => normal(key, [2]))(Key.of(1)), /normal draws numbers on the host/],
    [() => capture((x: Tensor) => new Map([['x', x]]))(tensor(1)), /in lists and plain objects/],
    [() => capture((x: Tensor) => vjp((y) => y, x))(tensor(1)), /as result, got a function/],
    [() => capture((key: Key) => [key.fold(1)])(Key.of(1)), /as result, got a .*Key; compute/],
    [() => capture((x: unknown) => x)(cyclic), /deeper than 100 levels/],
    [() => capture((x: Tensor[]) => x[0])(named()), /got a list of 1 with properties/],
    [() => capture(named)(), /as result, got a list of 1 with properties/],
    [() => scope(named), /scope: expected tensors in lists .* a list of 1 with properties/],
  ];
  for (const [call, message] of messages) assert.match(await refusal(call), message);
});

test('a tensor, a parameter or a key in the closure is a constant, even where it was the argument of the recording', async () => {
  const [x, w, k] = [tensor(Array(9).fill(2)), new Parameter(tensor(Array(9).fill(3))), Key.of(1)];
  for (const own of [x, w]) {
    const f = (y: Tensor, key: Key) => mul(dropout(y, 0.5, key), dropout(own, 0.3, k));
    const captured = capture(f);
    captured(own, k);
    for (const [other, key] of [
      [add(x, 1), k],
      [x, Key.of(2)],
    ] as const) {
      assert.equal(await values(captured(other, key)), await values(f(other, key)));
    }
  }
});

test('a parameter as an argument is assigned to, and not the one of the recording', async () => {
  const parameters = [1, 10].map((value) => new Parameter(tensor([value])));
  const captured = capture((w: Parameter, x: Tensor) => w.assign(add(w, x)));
  for (const w of [...parameters, ...parameters]) captured(w, tensor([1]));
  assert.equal(await Promise.all(parameters.map((w) => w.item())), [3, 12]);
});

test('an argument, a parameter and a constant that are returned belong to the function; the results to the caller', async () => {
  const kept = [new Parameter(tensor([1])), tensor([2])];
  const captured = capture((x: Tensor) => [x, ...kept, x]);
  const before = memoryReport().buffers;
  for (let i = 0; i < 3; i++) {
    const x = tensor([7]);
    const results = captured(x);
    for (const y of results) y.dispose();
    assert.equal(await Promise.all([x, ...kept].map((y) => y.item())), [7, 1, 2]);
    x.dispose();
    assert.is(memoryReport().buffers, before);
    assert.is(new Set(results.map((y) => y.constructor)).size, 1);
  }
});

test('what a replay would get wrong always runs: watched operations, a state in parameters, an optimiser', async () => {
  const makes: Record<string, () => (x: Tensor) => Tensor> = {
    'a watcher': () => (x) =>
      watch(
        () => mul(x, x),
        () => {},
      ),
    'a state': () => {
      let w: Parameter | undefined;
      return (x) => {
        w ??= new Parameter(tensor([0]));
        w.assign(add(w, x));
        return mul(w, 1);
      };
    },
    momentum: () => {
      const parameters = { w: new Parameter(tensor([1])) };
      const optimizer = new SGD({ learningRate: 0.1, momentum: 0.9 });
      const loss = valueAndGrad((x: Tensor) => sum(mul(mul(x, parameters.w), parameters.w)), {
        ...parameters,
      });
      return (x) => {
        const [value, gradients] = loss(x);
        optimizer.step(parameters, gradients);
        return value;
      };
    },
  };
  for (const [what, make] of Object.entries(makes)) {
    const [f, captured] = [make(), capture(make())];
    for (let i = 1; i < 5; i++) {
      const x = tensor([i]);
      assert.equal(await values(captured(x)), await values(f(x)), what);
    }
  }
});

test('a parameter that the function makes and frees is recorded as a tensor', async () => {
  let calls = 0;
  const captured = capture((x: Tensor) => {
    calls++;
    const w = new Parameter(mul(x, 1));
    w.assign(add(w, 1));
    const result = mul(w, 2);
    w.dispose();
    return result;
  });
  for (let i = 0; i < 3; i++) assert.equal(await values(captured(tensor([i]))), [2 * (i + 1)]);
  assert.is(calls, 1);
});

test('with two recordings, results and shapes are compared too, and nothing is refused', async () => {
  let count = 0;
  const impure: ((x: Tensor, key: Key) => unknown)[] = [
    (x) => [mul(x, 2), count++],
    (x) => (count++ % 2 === 0 ? [mul(x, 2)] : { y: mul(x, 2) }),
    (x) => reshape(x, count++ % 2 === 0 ? [1, 2] : [2, 1]),
    (x, key) => add(x, normal(key, [2])),
    (x) => new Map([['x', [mul(x, count++)]]]),
  ];
  for (const f of impure) {
    const captured = captureTraced(f);
    const texts = async (g: typeof f) => {
      count = 0;
      const all: unknown[] = [];
      for (let i = 0; i < 5; i++) all.push(await plain(g(tensor([i, 1]), Key.of(i))));
      return all;
    };
    assert.equal(await texts(captured), await texts(f), `${f}`);
  }
});

test('signatures of unlike arguments differ', () => {
  const show = (...args: unknown[]) =>
    args
      .map((x) => (typeof x === 'object' && x ? x.constructor.name : `${typeof x} ${String(x)}`))
      .join();
  const captured = capture(
    (x: unknown, y: unknown) => ({ text: show(x, y), negative: Object.is(x, -0) }),
    { programs: 1e6 },
  );
  const x = tensor(1);
  const pool = [x, tensor(2), Key.of(1), '=0', 'k', 0, -0, NaN, 'NaN', null, 'null', undefined, 1];
  const more = [...pool, '1', true, 'true', '"', '],[', [], [undefined], {}, `float32[]@1`, 'k0'];
  for (let round = 0; round < 2; round++) {
    for (const a of more) {
      for (const b of more) {
        const expected = { text: show(a, b), negative: Object.is(a, -0) };
        assert.equal(captured(a, b), expected);
      }
    }
  }
  const length = capture((list: unknown[]) => list.length);
  assert.equal([length([]), length(Array(1)), length([])], [0, 1, 0]);
});

test('a kernel that fails anywhere in a replay leaves parameters and memory as they were, and the function runs', async () => {
  const real = createCpuBackend();
  let left = Infinity;
  const backend = new Proxy(real, {
    get(target, name) {
      const member = Reflect.get(target, name);
      if (typeof member !== 'function') return member;
      return (...args: unknown[]) => {
        if (name !== 'free' && left-- === 0) throw new OutOfMemory('out of memory.');
        return member.apply(target, args);
      };
    },
  });
  const make = (value: number) => tensor([value, 1], { backend });
  const [w, v] = [scope(() => new Parameter(make(1))), scope(() => new Parameter(make(2)))];
  const captured = capture((x: Tensor) => {
    w.assign(add(mul(v, x), w));
    v.assign(mul(w, w));
    return sum(v);
  });
  let expected = [1, 2];
  scope(() => {
    captured(make(1));
  });
  expected = [3, 9];
  const { buffers } = memoryReport();
  for (let failing = 0; failing < 5; failing++) {
    scope(() => {
      const x = make(0.5);
      left = failing;
      captured(x);
      left = Infinity;
    });
    expected = [expected[1] * 0.5 + expected[0], (expected[1] * 0.5 + expected[0]) ** 2];
    const came = [(await values(w))[0], (await values(v))[0]];
    for (const i of [0, 1]) assert.ok(Math.abs(came[i] / expected[i] - 1) < 1e-5, `${failing}`);
    assert.is(memoryReport().buffers, buffers);
  }
});

test('with two recordings, shapes that come once are not recorded', () => {
  const before = memoryReport().buffers;
  const captured = captureTraced((x: Tensor) => mul(x, tensor([2])));
  scope(() => {
    for (let length = 1; length < 40; length++) captured(tensor(Array(length).fill(1)));
  });
  assert.is(memoryReport().buffers, before, 'no constant is kept');
  captured.dispose();
});

test('a recording that fails after another one leaves nothing behind', () => {
  const before = memoryReport().buffers;
  let calls = 0;
  const captured = captureTraced((x: Tensor) => {
    const y = mul(x, tensor([2]));
    if (++calls === 3) throw new Error('mine');
    return y;
  });
  scope(() => {
    const x = tensor([1]);
    captured(x);
    captured(x);
    assert.throws(() => captured(x), /mine/);
    captured(x);
    captured(x);
  });
  captured.dispose();
  assert.is(calls, 4);
  assert.is(memoryReport().buffers, before);
});

test('a freed tensor is refused as the function refuses it', async () => {
  const captured = capture((x: Tensor) => mul(x, 2));
  const x = tensor([1]);
  captured(x);
  x.dispose();
  assert.match(await refusal(() => captured(x)), /used after dispose\(\) had freed it/);
});

test.run();
