/** Scopes, freeing, parameters and the memory report. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  add,
  checkpoint,
  grad,
  identity,
  Key,
  matmul,
  memoryReport,
  mul,
  neg,
  normal,
  Parameter,
  reshape,
  scope,
  softmax,
  square,
  stopGradient,
  sub,
  sum,
  type Tensor,
  tanh,
  tensor,
  valueAndGrad,
  vjp,
} from '../../src/autograd/index.js';
import type { Backend, DeviceBuffer } from '../../src/backends/backend.js';
import { createCpuBackend } from '../../src/backends/cpu/index.js';
import { f64, refusal } from './helpers.js';

const test = suite('memory');

const live = () => memoryReport().buffers;
const FREED =
  'A tensor of shape [2] was used after its scope, derivative or step had ended; return it from there to keep it.';
const DISPOSED =
  'A tensor of shape [2] was used after dispose() had freed it; dispose of it later.';

test('a scope frees what it made', async () => {
  const before = live();
  let inside: Tensor | undefined;
  scope(() => {
    inside = neg(tensor([1, 2]));
    assert.is(live(), before + 2);
  });
  assert.is(live(), before);
  assert.is(await refusal(() => inside?.data()), FREED);
  assert.is(await refusal(() => neg(inside as Tensor)), FREED);
});

test('what it returns lives on, wherever it stands in the tree', async () => {
  const before = live();
  const kept = scope(() => {
    neg(tensor([9]));
    return { list: [tensor([1]), { deep: tensor([2]) }], nothing: null };
  });
  assert.is(live(), before + 2);
  const [first, { deep }] = kept.list as [Tensor, { deep: Tensor }];
  assert.equal(await first.array(), [1]);
  assert.equal(await deep.array(), [2]);
  first.dispose();
  deep.dispose();
  assert.is(live(), before);
});

test('nested scopes hand over outwards; tensors from outside stay', async () => {
  const before = live();
  const outside = tensor([1, 2]);
  const result = scope(() => {
    const inner = scope(() => [mul(outside, 2), outside] as const);
    assert.is(inner[1], outside);
    return add(inner[0], 1);
  });
  assert.is(live(), before + 2);
  assert.equal(await result.array(), [3, 5]);
  assert.equal(await outside.array(), [1, 2]);
  result.dispose();
  outside.dispose();
});

test('it frees on throw too, and the next one works', () => {
  const before = live();
  assert.throws(
    () =>
      scope(() => {
        tensor([1]);
        scope(() => {
          tensor([2]);
          throw new Error('mine');
        });
      }),
    'mine',
  );
  assert.is(live(), before);
  assert.is(
    scope(() => 7),
    7,
  );
});

test('a scope that is asynchronous is refused, and frees', async () => {
  const before = live();
  await refusal(() => scope(async () => tensor([1])));
  assert.is(live(), before);
});

test('`using` frees at the end of the block', async () => {
  const before = live();
  {
    using x = tensor([1, 2]);
    using y = neg(x);
    assert.equal(await y.array(), [-1, -2]);
  }
  assert.is(live(), before);
});

test('disposing twice is harmless', () => {
  const before = live();
  const x = tensor([1, 2]);
  x.dispose();
  x.dispose();
  assert.is(live(), before);
});

test('tensors that share values are freed one by one', async () => {
  const before = live();
  const x = tensor([1, 2]);
  const others = [reshape(x, [2, 1]), identity(x), stopGradient(x)];
  assert.is(live(), before + 1);
  x.dispose();
  assert.is(await refusal(() => x.data()), DISPOSED);
  for (const other of others) assert.equal([...(await other.data())], [1, 2]);
  for (const other of others) other.dispose();
  assert.is(live(), before);
});

test('every way to use a freed tensor says so', async () => {
  const x = tensor([1, 2]);
  x.dispose();
  const uses: (() => unknown)[] = [
    () => x.data(),
    () => x.array(),
    () => add(x, 1),
    () => sum(x),
    () => reshape(x, [2, 1]),
    () => identity(x),
    () => grad((y: Tensor) => sum(y))(x),
    () => new Parameter(x),
  ];
  for (const use of uses) assert.is(await refusal(use), DISPOSED);
});

test('what was freed first is what a freed tensor names', async () => {
  let first: Tensor | undefined;
  let inside: Tensor | undefined;
  scope(() => {
    first = tensor([1, 2]);
    first.dispose();
  });
  grad((y: Tensor) => {
    inside = neg(y);
    return sum(inside);
  })(tensor([1, 2]));
  inside?.dispose();
  assert.is(await refusal(() => first?.data()), DISPOSED);
  assert.is(await refusal(() => inside?.data()), FREED);
});

test('a parameter outlives its scope, and takes new values of its shape', async () => {
  const before = live();
  const parameter = scope(() => {
    const made = new Parameter(tensor([1, 2]));
    return { hidden: () => made };
  }).hidden();
  assert.equal(await parameter.array(), [1, 2]);
  scope(() => parameter.assign(mul(parameter, 10)));
  assert.equal(await parameter.array(), [10, 20]);
  assert.is(live(), before + 1);
  for (const wrong of [tensor([1]), f64([1, 2])]) {
    const message = await refusal(() => parameter.assign(wrong));
    assert.is(message, `assign: expected ${parameter}, got ${wrong}; convert the value first.`);
    wrong.dispose();
  }
  parameter.assign(parameter);
  assert.equal(await parameter.array(), [10, 20]);
  parameter.dispose();
  assert.is(live(), before);
});

test('grad and valueAndGrad keep nothing but what they return', () => {
  const before = live();
  const f = (x: Tensor) => sum(square(softmax(matmul(x, x))));
  const x = f64([
    [1, 2],
    [3, 4],
  ]);
  grad(f)(x).dispose();
  assert.is(live(), before + 1);
  const [value, gradient] = valueAndGrad(f)(x);
  assert.is(live(), before + 3);
  for (const made of [x, value, gradient]) made.dispose();
  assert.is(live(), before);
});

test('so do higher orders, checkpoint and vjp within a scope', () => {
  const before = live();
  scope(() => {
    const x = f64([1, 2]);
    const f = checkpoint((y: Tensor) => sum(tanh(mul(y, y))));
    grad((y: Tensor) => sum(grad(f)(y)))(x);
    assert.is(live(), before + 2);
    const [, pullback] = vjp(f, x);
    pullback(f64(1));
    pullback(f64(1));
  });
  assert.is(live(), before);
});

test('a scope inside a derivative keeps what the backward pass reads, and the derivative frees it', async () => {
  const before = live();
  const x = f64([1, 2]);
  const cube = (y: Tensor) =>
    scope(() =>
      mul(
        y,
        scope(() => mul(y, y)),
      ),
    );
  const f = (y: Tensor) => scope(() => sum(scope(() => cube(y))));
  const wrapped = checkpoint((y: Tensor) => scope(() => sum(cube(y))));
  for (const g of [f, wrapped]) {
    const [first, second] = [grad(g)(x), grad((y: Tensor) => scope(() => sum(grad(g)(y))))(x)];
    assert.equal(await first.array(), [3, 12]);
    assert.equal(await second.array(), [6, 12]);
    first.dispose();
    second.dispose();
    assert.is(live(), before + 1);
  }
  const pulled = scope(() => vjp(cube, x)[1](x)[0]);
  assert.equal(await pulled.array(), [3, 24]);
  x.dispose();
  pulled.dispose();
  assert.is(live(), before);
});

test('a gradient freed by its owner does no harm to another', async () => {
  const { a, b } = grad(({ a, b }: Record<string, Tensor>) => sum(add(a, b)))({
    a: f64([1, 2]),
    b: f64([3, 4]),
  });
  a.dispose();
  assert.equal(await b.array(), [1, 1]);
});

test('the backward pass frees each gradient as soon as it is used', () => {
  const cpu = createCpuBackend();
  let [now, peak] = [0, 0];
  const counting = Object.assign(Object.create(cpu) as Backend, {
    unary(...[kernel, x]: Parameters<Backend['unary']>) {
      peak = Math.max(peak, ++now);
      return cpu.unary(kernel, x);
    },
    free(buffer: DeviceBuffer) {
      now--;
      cpu.free(buffer);
    },
  });
  const x = tensor([1, 2], { backend: counting });
  const f = (y: Tensor) => {
    let state = y;
    for (let i = 0; i < 100; i++) state = neg(state);
    return sum(state);
  };
  grad(f)(x).dispose();
  // 100 results, and but a few gradients at a time.
  assert.ok(peak >= 100 && peak < 110, `${peak} results and gradients at the peak`);
});

test('the report is flat over 200 steps of training', () => {
  const key = Key.of(3);
  const parameters = {
    w: new Parameter(normal(key.fold(0), [3, 3])),
    v: new Parameter(normal(key.fold(1), [3, 1])),
  };
  const x = normal(key.fold(2), [4, 3]);
  const layer = checkpoint((h: Tensor) => tanh(matmul(h, parameters.w)));
  const loss = (batch: Tensor) => [sum(square(matmul(layer(batch), parameters.v))), batch] as const;
  const step = () =>
    scope(() => {
      const [, gradient] = valueAndGrad(loss, parameters)(x);
      parameters.w.assign(sub(parameters.w, mul(gradient.w, 0.01)));
      parameters.v.assign(sub(parameters.v, mul(gradient.v, 0.01)));
    });
  step();
  const before = memoryReport();
  for (let i = 0; i < 200; i++) step();
  assert.equal(memoryReport(), before);
});

test('the report names the operation whose results are kept', () => {
  const before = memoryReport().byOperation.tanh ?? { buffers: 0, bytes: 0 };
  const kept = [1, 2, 3].map((i) => tanh(f64([i, i])));
  const { buffers, bytes } = memoryReport().byOperation.tanh;
  assert.equal([buffers - before.buffers, bytes - before.bytes], [3, 48]);
  for (const x of kept) x.dispose();
});

test.run();
