/** Leaving a context: on return, on a throw, and around `await`. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { context } from '../../src/autograd/context.js';
import {
  checkpoint,
  grad,
  memoryReport,
  mul,
  observe,
  report,
  scope,
  stopGradient,
  sum,
  type Tensor,
  tapGradient,
  valueAndGrad,
  vjp,
  watch,
  within,
} from '../../src/autograd/index.js';
import { opaquely } from '../../src/autograd/run.js';
import { f64, refusal } from './helpers.js';

const test = suite('context');
const root = context();
const x = f64([1, 2]);
const pass = () => {};

/** Each calls `f` in a context of its own. */
const enter: Record<string, (f: () => void) => unknown> = {
  scope: (f) => scope(f),
  grad: (f) => grad((y: Tensor) => [sum(y), f()] as const)(x),
  'grad by parameters': (f) => grad(() => [sum(x), f()] as const, x)(),
  valueAndGrad: (f) => valueAndGrad((y: Tensor) => [sum(y), f()] as const)(x),
  vjp: (f) => vjp((y) => [y, f()][0] as Tensor, x),
  'the backward pass': (f) => {
    const [y, pullback] = vjp((y) => tapGradient(mul(y, 2), f), x);
    return inRecorder(() => pullback(y));
  },
  'checkpoint, forward': (f) => {
    const once = calls(f, 1);
    return grad(checkpoint((y: Tensor) => [sum(y), once()][0] as Tensor))(x);
  },
  'checkpoint, again': (f) => {
    const twice = calls(f, 2);
    return grad(checkpoint((y: Tensor) => [sum(y), twice()][0] as Tensor))(x);
  },
  observe: (f) => observe(f),
  watch: (f) => watch(f, pass),
  'what watch calls': (f) => watch(() => mul(x, 2), f),
  within: (f) => observe(() => within('a', f)),
  opaquely: (f) => opaquely(f),
};

/** Calls `f` the `which`th time that it is called. */
function calls(f: () => void, which: number): () => void {
  let count = 0;
  return () => {
    if (++count === which) f();
  };
}

/** Runs `f` while a derivative is being taken. */
function inRecorder(f: () => void): void {
  grad((y: Tensor) => [sum(y), f()] as const)(x);
}

/** Runs `f`, which must throw `mine`. */
function caught(f: () => unknown): void {
  assert.throws(f, 'mine');
}
const fail = () => {
  throw new Error('mine');
};

for (const [name, run] of Object.entries(enter)) {
  test(`${name} has a context of its own, and leaves it on return and on a throw`, () => {
    const live = memoryReport().buffers;
    scope(() => {
      const before = context();
      let inner = before;
      run(() => {
        inner = context();
      });
      assert.is.not(inner, before);
      assert.is(context(), before);
      caught(() => run(fail));
      assert.is(context(), before);
    });
    assert.is(context(), root);
    assert.is(memoryReport().buffers, live);
  });

  test(`${name} around and inside each other one`, () => {
    for (const other of Object.values(enter)) {
      let reached = 0;
      scope(() =>
        run(() => {
          const outer = context();
          other(() => {
            reached++;
          });
          assert.is(context(), outer);
          caught(() => other(fail));
          assert.is(context(), outer);
        }),
      );
      assert.is(reached, 1);
      assert.is(context(), root);
      caught(() => scope(() => run(() => other(fail))));
      assert.is(context(), root);
    }
  });
}

test('a checkpoint that runs again while the backward pass alone is observed or watched', () => {
  const [value, pullback] = vjp(
    checkpoint((y) => {
      const made = mul(y, y);
      within('inner', () => report('made', made));
      return made;
    }),
    x,
  );
  assert.equal([...observe(() => pullback(value)).seen.keys()], ['inner.made']);
  const paths = new Set<string>();
  watch(
    () => pullback(value),
    ({ path }) => paths.add(path),
  );
  assert.equal([...paths], ['']);
});

test('no derivative is taken of what `see` of watch computes', async () => {
  const entries: number[] = [];
  const seen = () => entries.push(context().recorders.length);
  grad((y: Tensor) => sum(watch(() => mul(y, y), seen)))(x);
  assert.equal(entries, [0]);
});

test('stopGradient leaves no recorder out, also where it throws', async () => {
  const freed = f64([1]);
  freed.dispose();
  const gradient = grad((y: Tensor) => {
    stopGradient(y);
    assert.throws(() => stopGradient(freed), /freed/);
    assert.throws(() => stopGradient(1 as unknown as Tensor), /expected tensors/);
    return sum(mul(y, stopGradient(y)));
  })(x);
  assert.equal(await gradient.array(), [1, 2]);
  assert.is(context(), root);
});

/** Each is given an asynchronous function, which it must refuse. */
const refusing: Record<string, (f: () => Promise<never>) => unknown> = {
  scope: (f) => scope(f),
  grad: (f) => grad(f as never)(x),
  vjp: (f) => vjp(f as never, x),
  checkpoint: (f) => checkpoint(f)(),
  observe: (f) => observe(f),
  watch: (f) => watch(f, pass),
  within: (f) => within('a', f),
  opaquely: (f) => opaquely(f),
};
const nested: typeof refusing = {
  grad: (f) => scope(() => observe(() => valueAndGrad(f as never)(x))),
  checkpoint: (f) => grad((y: Tensor) => [sum(y), checkpoint(f)()] as const)(x),
  within: (f) => watch(() => scope(() => within('a', f)), pass),
};

for (const [name, run] of [...Object.entries(refusing), ...Object.entries(nested)]) {
  test(`${name} refuses an asynchronous function, which goes on in the root context`, async () => {
    const live = memoryReport().buffers;
    let first = root;
    let late: Promise<Tensor> | undefined;
    const seen: string[] = [];
    const start = () =>
      run(() => {
        late = (async () => {
          first = context();
          await undefined;
          assert.is(context(), root);
          const made = mul(x, x);
          report('late', made);
          return made;
        })();
        return late as Promise<never>;
      });
    const watched = () => watch(start, ({ operation }) => seen.push(operation));
    assert.is(
      await refusal(watched),
      `${name}: the function returned a promise, expected it to be synchronous; return tensors and read them afterwards.`,
    );
    assert.is.not(first, root);
    const made = (await late) as Tensor;
    assert.not.ok(seen.includes('mul'));
    assert.equal(await made.array(), [1, 4]); // no scope has freed it
    made.dispose();
    assert.is(memoryReport().buffers, live);
    // One that fails later is no unhandled rejection.
    await refusal(() => run(() => Promise.resolve().then(fail)));
  });
}

test.run();
