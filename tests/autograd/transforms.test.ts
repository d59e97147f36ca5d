/** Derivatives of functions. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  add,
  cast,
  exp,
  grad,
  matmul,
  mul,
  Parameter,
  sin,
  square,
  stopGradient,
  sub,
  sum,
  type Tensor,
  tensor,
  valueAndGrad,
  vjp,
} from '../../src/autograd/index.js';
import { f64, i32, plain } from './helpers.js';

const test = suite('transforms');

const cube = (x: Tensor) => mul(x, mul(x, x));

test('first, second and third derivative of x^3', async () => {
  const x = f64(2);
  assert.is(await grad(cube)(x).item(), 12);
  assert.is(await grad((y: Tensor) => grad(cube)(y))(x).item(), 12);
  assert.is(await grad(grad(grad(cube)))(x).item(), 6);
  assert.is(await grad(grad(grad(grad(cube))))(x).item(), 0);
});

test('grad of grad of a sum over elements is the diagonal', async () => {
  const f = (x: Tensor) => sum(cube(x));
  const second = grad((x: Tensor) => sum(grad(f)(x)))(f64([1, 2, 3]));
  assert.equal(await second.array(), [6, 12, 18]);
});

test('no perturbation confusion: d/dx (x * d/dy (x + y))', async () => {
  const inner = (x: Tensor) => grad((y: Tensor) => add(x, y))(x);
  assert.is(await grad((x: Tensor) => mul(x, inner(x)))(f64(3)).item(), 1);
  // The same with products: d/dx (x * d/dy (x y)) = d/dx x^2.
  const product = (x: Tensor) => mul(x, grad((y: Tensor) => mul(x, y))(f64(7)));
  assert.is(await grad(product)(f64(3)).item(), 6);
});

test('the argument itself, used inside by its outer name, is a constant', async () => {
  const x = f64(3);
  assert.is(await grad((y: Tensor) => mul(y, x))(x).item(), 3);
});

test('inner derivatives see what they close over, outer ones what is inside', async () => {
  // f(x) = d/dy (sin(x) y^2) at y = x = 2 x sin x; f' = 2 sin x + 2 x cos x
  const f = (x: Tensor) => {
    const slope = sin(x);
    return grad((y: Tensor) => mul(slope, square(y)))(x);
  };
  const came = await grad(f)(f64(1.5)).item();
  assert.ok(Math.abs(came - (2 * Math.sin(1.5) + 3 * Math.cos(1.5))) < 1e-14);
});

test('a tree as the argument gives a tree of gradients', async () => {
  const weights = { layers: [{ w: f64([[1, 2]]), b: f64([3]) }, null], name: 'mlp', scale: f64(2) };
  const gradient = grad(({ layers: [first], scale }: typeof weights) =>
    mul(scale, sum(add(first?.w as Tensor, first?.b as Tensor))),
  )(weights);
  assert.equal(await plain(gradient.layers[0]?.w), [[2, 2]]);
  assert.equal(await plain(gradient.layers[0]?.b), [4]);
  assert.is(gradient.layers[1], null);
  assert.is(gradient.name, 'mlp');
  assert.is(await gradient.scale.item(), 9);
});

test('parameters that the function reads by itself, with other arguments', async () => {
  const parameters = { w: new Parameter(f64([2, 3])), b: new Parameter(f64([1, 1])) };
  const loss = (x: Tensor, factor: number) =>
    mul(sum(add(mul(parameters.w, x), parameters.b)), factor);
  const [value, gradient] = valueAndGrad(loss, parameters)(f64([5, 7]), 10);
  assert.is(await value.item(), 330);
  assert.equal(await plain(gradient.w), [50, 70]);
  assert.equal(await plain(gradient.b), [10, 10]);
});

test('values besides the loss come back untouched', async () => {
  const f = (x: Tensor) => [sum(square(x)), { doubled: mul(x, 2) }, 'text'] as const;
  const [[loss, { doubled }, text], gradient] = valueAndGrad(f)(f64([1, 2]));
  assert.is(await loss.item(), 5);
  assert.equal(await doubled.array(), [2, 4]);
  assert.is(text, 'text');
  assert.equal(await gradient.array(), [2, 4]);
  assert.equal(await grad(f)(f64([1, 2])).array(), [2, 4]);
});

test('vjp: the pullback may be called again, and is linear in the cotangent', async () => {
  const [value, pullback] = vjp((a, b) => mul(a, b), f64([1, 2]), f64([3]));
  assert.equal(await value.array(), [3, 6]);
  for (const scale of [1, 10, 1]) {
    const [a, b] = pullback(f64([scale, 2 * scale]));
    assert.equal(await a.array(), [3 * scale, 6 * scale]);
    assert.equal(await b.array(), [5 * scale]);
  }
});

test('vjp can be differentiated', async () => {
  const f = (x: Tensor) => sum(vjp(cube, x)[1](f64([1, 1]))[0]);
  assert.equal(await grad(f)(f64([1, 2])).array(), [6, 12]);
});

test('stopGradient takes the value and no gradient, at any order', async () => {
  const f = (x: Tensor) => mul(x, stopGradient(square(x)));
  assert.is(await f(f64(3)).item(), 27);
  assert.is(await grad(f)(f64(3)).item(), 9);
  assert.is(await grad(grad(f))(f64(3)).item(), 0);
});

test('an argument that is not used gets zeros of its shape and dtype', async () => {
  const gradient = grad(({ used }: Record<string, Tensor>) => sum(used))({
    used: f64([1, 2]),
    unused: tensor([[1], [2]]),
    whole: i32([4, 5]),
  });
  assert.equal(await plain(gradient.used), [1, 1]);
  assert.equal(await plain(gradient.unused), [[0], [0]]);
  assert.is(gradient.unused.dtype, 'float32');
  assert.equal(await plain(gradient.whole), [0, 0]);
  assert.is(gradient.whole.dtype, 'int32');
  assert.is(await grad((_: Tensor) => f64(1))(f64(2)).item(), 0);
});

test('a function that returns its argument', async () => {
  assert.is(await grad((x: Tensor) => x)(f64(5)).item(), 1);
  const x = f64([1, 2]);
  const [value, pullback] = vjp((y) => y, x);
  assert.equal(await value.array(), [1, 2]);
  assert.equal(await pullback(f64([3, 4]))[0].array(), [3, 4]);
  value.dispose();
  assert.equal(await x.array(), [1, 2]);
});

test('one tensor used twice collects both gradients', async () => {
  assert.is(await grad((x: Tensor) => mul(x, x))(f64(3)).item(), 6);
  const f = (x: Tensor) => add(exp(x), add(x, mul(x, x)));
  const [a, b] = [f64(3), f64(3)];
  assert.is(await grad(f)(a).item(), await grad(f)(b).item());
  // The same tensor as two leaves of the tree: two arguments.
  const [left, right] = grad(([x, y]: Tensor[]) => mul(x, mul(y, y)))([a, a]);
  assert.is(await left.item(), 9);
  assert.is(await right.item(), 18);
});

test('one tensor as two parameters gets its gradient twice, each to be freed for itself', async () => {
  const w = f64([1, 2]);
  const [first, second] = grad(() => sum(square(w)), [w, w])();
  first.dispose();
  assert.equal(await second.array(), [2, 4]);
});

test('a loss of one element may have axes', async () => {
  assert.equal(
    await grad((x: Tensor) => sum(x, 0, { keepDims: true }))(f64([1, 2])).array(),
    [1, 1],
  );
});

test('the gradient has the dtype of its argument through casts', async () => {
  const gradient = grad((x: Tensor) => sum(mul(cast(x, 'float64'), f64([2, 3]))))(tensor([1, 1]));
  assert.is(gradient.dtype, 'float32');
  assert.equal(await gradient.array(), [2, 3]);
  const through = grad((x: Tensor) => sum(mul(x, cast(cast(x, 'int32'), 'float64'))))(
    f64([2.5, 3]),
  );
  assert.equal(await through.array(), [2, 3]);
});

test('Hessian times vector', async () => {
  const a = f64([
    [2, 1],
    [1, 3],
  ]);
  const quadratic = (x: Tensor) => sum(mul(x, matmul(a, x)));
  const direction = f64([[1], [-1]]);
  const product = grad((x: Tensor) => sum(mul(grad(quadratic)(x), direction)))(f64([[5], [7]]));
  assert.equal(await product.array(), [[2], [-4]]);
});

test('an inner function that throws leaves no recorder at work', async () => {
  assert.throws(
    () =>
      grad(() => {
        throw new Error('mine');
      })(...([f64(1)] as unknown as [])),
    'mine',
  );
  assert.is(await grad((x: Tensor) => sub(x, 1))(f64(1)).item(), 1);
});

test.run();
