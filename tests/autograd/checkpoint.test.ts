/** checkpoint: the same numbers with less memory. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  add,
  checkGradients,
  checkpoint,
  dropout,
  exp,
  grad,
  Key,
  matmul,
  memoryReport,
  mul,
  normal,
  Parameter,
  scope,
  sin,
  square,
  stopGradient,
  sum,
  type Tensor,
  tanh,
  tapGradient,
  valueAndGrad,
} from '../../src/autograd/index.js';
import { f64, plain } from './helpers.js';

const test = suite('checkpoint');

const key = Key.of(21);
const weight = new Parameter(normal(key.fold(0), [8, 8]));
const x0 = normal(key.fold(1), [4, 8]);

/** A layer with a parameter that it reads by itself, and dropout. */
function layer(x: Tensor, drop: Key): Tensor {
  return dropout(tanh(matmul(x, weight)), 0.25, drop);
}

function network(wrap: (f: typeof layer) => typeof layer) {
  return (x: Tensor) => {
    let h = x;
    for (const drop of key.split(4)) h = wrap(layer)(h, drop);
    return sum(square(h));
  };
}

const keep = network((f) => f);
const recompute = network((f) => checkpoint(f));

async function sameBits(a: Tensor, b: Tensor): Promise<void> {
  assert.equal([...(await a.data())], [...(await b.data())]);
}

test('outside of any derivative it is the function itself', async () => {
  await sameBits(recompute(x0), keep(x0));
});

test('value and gradients are the same to the bit, dropout included', async () => {
  const [value, gradient] = valueAndGrad(keep)(x0);
  const [valueAgain, gradientAgain] = valueAndGrad(recompute)(x0);
  await sameBits(valueAgain, value);
  await sameBits(gradientAgain, gradient);
});

test('parameters that the function reads by itself get the same gradients', async () => {
  const came = grad(recompute, weight)(x0);
  await sameBits(came, grad(keep, weight)(x0));
  assert.ok((await came.data()).some((value) => value !== 0));
});

test('nested checkpoints', async () => {
  const inner = (h: Tensor, drop: Key) => checkpoint(layer)(h, drop);
  const outer = checkpoint((h: Tensor) =>
    key.split(4).reduce((state, drop) => checkpoint(inner)(state, drop), h),
  );
  await sameBits(grad((h: Tensor) => sum(square(outer(h))))(x0), grad(keep)(x0));
  await sameBits(grad((h: Tensor) => sum(square(outer(h))), weight)(x0), grad(keep, weight)(x0));
});

test('second order through it', async () => {
  const f = (a: Tensor, b: Tensor) => mul(sin(a), exp(mul(a, b)));
  const inputs = [f64([0.3, -0.4]), f64([0.5, 0.7])];
  const { passed, worst } = await checkGradients((a, b) => checkpoint(f)(a, b), inputs);
  assert.ok(passed, worst);
  const cube = checkpoint((x: Tensor) => mul(x, mul(x, x)));
  assert.is(await grad(grad(cube))(f64(2)).item(), 12);
  assert.is(await grad(grad(grad(cube)))(f64(2)).item(), 6);
});

test('a tree of arguments and of results, some of them not used', async () => {
  const f = checkpoint(({ a, b }: Record<string, Tensor>, scale: number) => ({
    product: mul(mul(a, b), scale),
    list: [a, exp(b)],
    note: 'text',
  }));
  const [[, note], gradient] = valueAndGrad((tree: Record<string, Tensor>) => {
    const { product, list, note: text } = f(tree, 3);
    return [sum(mul(product, list[0])), text] as const;
  })({ a: f64([2]), b: f64([5]) });
  assert.is(note, 'text');
  assert.equal(await plain([gradient.a, gradient.b]), [[60], [12]]); // 3 a^2 b
});

test('what is detached inside stays detached outside', async () => {
  const f = checkpoint((x: Tensor) => ({ cut: stopGradient(mul(x, x)), kept: mul(x, x) }));
  const seen: Tensor[] = [];
  const gradient = grad((x: Tensor) => {
    const { cut, kept } = f(x);
    return add(
      mul(
        tapGradient(cut, (g) => seen.push(g)),
        x,
      ),
      kept,
    );
  })(f64(3));
  assert.is(await gradient.item(), 9 + 6);
  assert.is(seen.length, 0);
});

test('a function that returns its argument, or a constant', async () => {
  assert.is(await grad(checkpoint((x: Tensor) => x))(f64(4)).item(), 1);
  const constant = f64(9);
  assert.is(await grad((x: Tensor) => mul(x, checkpoint(() => constant)()))(f64(4)).item(), 9);
  assert.is(await constant.item(), 9);
});

/** The most bytes live at once while `f` runs: looked at whenever a gradient rule or a layer runs. */
function peakOf(f: (see: () => void) => void): number {
  let peak = 0;
  const start = memoryReport().bytes;
  scope(() =>
    f(() => {
      peak = Math.max(peak, memoryReport().bytes - start);
    }),
  );
  return peak;
}

test('fewer bytes are live at the peak, and none afterwards', () => {
  const before = memoryReport().bytes;
  const deep = (wrap: (f: (h: Tensor) => Tensor) => (h: Tensor) => Tensor) =>
    peakOf((see) => {
      const step = (h: Tensor) => {
        let state = h;
        for (let i = 0; i < 8; i++) state = tanh(mul(state, 1.1));
        see();
        return state;
      };
      grad((h: Tensor) => {
        let state = h;
        for (let i = 0; i < 8; i++) state = wrap(step)(state);
        return sum(state);
      })(x0);
    });
  const [kept, recomputed] = [deep((f) => f), deep(checkpoint)];
  assert.ok(recomputed < kept / 2, `${recomputed} bytes with checkpoint, ${kept} without`);
  assert.is(memoryReport().bytes, before);
});

test.run();
