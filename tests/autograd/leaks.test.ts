/**
 * Tensors that nobody frees: what a loop without `scope` keeps. Each program runs in a process of
 * its own, on the built package, since garbage is collected when the whole process has enough of it.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('leaks');

const SETUP = `
  import { loadBackend, ${[
    ...['add', 'checkpoint', 'full', 'grad', 'Key', 'matmul', 'mean', 'memoryReport', 'mul'],
    ...['normal', 'observe', 'Parameter', 'relu', 'report', 'scope', 'setDefaultBackend'],
    ...['softmax', 'square', 'sub', 'sum', 'tensor', 'valueAndGrad', 'vjp', 'zeros'],
  ].join(', ')} } from 'memgrad';
  const live = () => memoryReport().buffers;
  const turn = () => new Promise((resolve) => setTimeout(resolve, 5));
  /** What is live when all that can be collected has been. */
  const settled = async () => {
    let [last, same] = [-1, 0];
    while (same < 4) {
      gc();
      await turn();
      same = live() === last ? same + 1 : 0;
      last = live();
    }
    return last;
  };
  /** What is live once it is no more than \`most\`, or after 10 s: on a busy machine callbacks come late. */
  const settledAt = async (most) => {
    const end = performance.now() + 10_000;
    let left = await settled();
    while (left > most && performance.now() < end) left = await settled();
    return left;
  };
  const print = (value) => console.log(JSON.stringify(value));
`;

/** What the program prints as JSON, and its warnings. */
function run(program: string, ...flags: string[]): { printed: unknown[]; warnings: string } {
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    ['--expose-gc', ...flags, '--input-type=module', '--eval', SETUP + program],
    { encoding: 'utf8', timeout: 120_000, cwd: mkdtempSync('build/leaks-') },
  );
  assert.is(status, 0, stderr);
  return {
    printed: stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line)),
    warnings: stderr,
  };
}

for (const backend of ['wasm', 'cpu']) {
  const onBackend = `setDefaultBackend(await loadBackend('${backend}'));`;

  test(`on ${backend} a loop without scope is freed while it runs, though it never leaves its task`, () => {
    const { printed } = run(`${onBackend}
      const x = normal(Key.of(2), [8, 256]);
      let [made, most] = [0, 0];
      for (let i = 0; i < 3000; i++) {
        await softmax(relu(mul(x, 2))).data();
        made += 3 * 4 * 8 * 256;
        most = Math.max(most, memoryReport().bytes);
      }
      print([made, most]);
    `);
    const [[made, most]] = printed as [number, number][];
    assert.ok(most < 0.8 * made, `${most} of ${made} bytes were live at once`);
  });

  test(`on ${backend} what is dropped is freed: results, parameters, pullbacks, observations`, () => {
    const { printed } = run(`${onBackend}
      const x = tensor([1, 2, 3]);
      const dropped = {
        results: () => add(mul(x, x), 1),
        returned: () => scope(() => scope(() => add(mul(x, x), 1))),
        parameters: () => { const p = new Parameter(x); scope(() => p.assign(mul(p, 2))); },
        gradients: () => valueAndGrad((y) => sum(square(y)))(x),
        second: () => grad((y) => sum(grad((z) => sum(mul(z, square(z))))(y)))(x),
        pullbacks: () => vjp((y) => softmax(square(y)), x)[1](x),
        checkpoints: () => grad(checkpoint((y) => sum(square(y))))(x),
        observations: () => observe(() => report('twice', mul(x, 2))),
        failures: () => { try { grad(() => { throw 1 })(x); } catch {} },
      };
      for (const [name, drop] of Object.entries(dropped)) {
        const before = await settled();
        for (let i = 0; i < 50; i++) drop();
        print([name, before, await settledAt(before)]);
      }
    `);
    assert.is(printed.length, 9);
    for (const [name, before, after] of printed as [string, number, number][]) {
      assert.is(after, before, name);
    }
  });
}

test('what is still referred to is kept, and has its values', () => {
  const { printed } = run(`
    const kept = Array.from({ length: 50 }, (_, i) => mul(full([4], i), 1));
    const parameter = new Parameter(tensor([1, 2]));
    for (let i = 0; i < 50; i++) scope(() => parameter.assign(add(parameter, 1)));
    let [, pullback] = vjp((y) => mul(y, y), tensor([5]));
    const others = kept.map((x) => scope(() => square(x)));
    await settled();
    const values = await Promise.all(others.map(async (y) => (await y.data())[3]));
    print(values.every((value, i) => value === i * i));
    print(await parameter.array());
    print(await pullback(tensor([1]))[0].array());
    const withTape = await settled();
    pullback = undefined;
    print((await settled()) < withTape);
  `);
  assert.equal(printed, [true, [51, 52], [10], true]);
});

test('what was freed by hand or by a scope is not freed again', () => {
  const { printed } = run(`
    for (let i = 0; i < 200; i++) {
      add(tensor([1]), 1).dispose();
      scope(() => mul(tensor([1]), 2)).dispose();
      new Parameter(tensor([1])).dispose();
    }
    print(await settledAt(0));
    const [a, b] = [tensor([1, 2]), tensor([3, 4])];
    await settled();
    print(await add(a, b).array());
  `);
  assert.equal(printed, [0, [4, 6]]);
});

test('10,000 live buffers are warned of once, with the operations that made most of them', () => {
  const { warnings } = run(`
    const kept = [];
    for (let i = 0; i < 12_000; i++) kept.push(mul(zeros([1]), 1));
    print(0);
  `);
  const lines = warnings.trim().split('\n');
  assert.is(lines.length, 1, warnings);
  assert.match(
    lines[0],
    /^memgrad: 10000 buffers are live, most made by full \(\d+ buffers, 0\.0 MiB\), mul \(.*\. In a loop, make tensors inside scope\(\(\) => \.\.\.\)\.$/,
  );
});

test('buffers that scopes leave behind are warned of, too', () => {
  const { warnings } = run(`
    const [x, kept] = [tensor([1]), []];
    for (let i = 0; i < 12_000; i++) kept.push(scope(() => mul(x, x)));
    print(0);
  `);
  assert.match(warnings, /^memgrad: 10000 buffers are live, most made by mul/);
});

test('training on a sample of 4,500 segments, which keeps 10,000 buffers, is no leak, captured or not', () => {
  const { printed, warnings } = run(`
    const { SegmentModel } = await import('memgrad/models');
    const { createTask } = await import('memgrad/tasks');
    const { AdamW, train } = await import('memgrad/training');
    const task = createTask('copy', { length: 1500, symbols: 2, copies: 2 });
    class Sum extends SegmentModel {
      w = new Parameter(tensor([0.01]));
      initialState() {
        return tensor([0]);
      }
      forward(tokens, state) {
        const next = add(mul(state, this.w), mul(tensor([1]), 2)); // the product is a constant
        return { logits: add(zeros([...tokens.shape, task.vocabulary]), next), state: next };
      }
    }
    const model = new Sum();
    let kept;
    for (const capture of [false, true]) {
      const options = { model, task, optimizer: new AdamW(), segmentLength: 1, batchSize: 1 };
      let segments = 0;
      for await (const { segmentGradientNorms } of train({ ...options, steps: capture ? 3 : 1, capture })) {
        segments = segmentGradientNorms.length;
        kept = live();
      }
      print(segments);
    }
    print(kept);
  `);
  assert.is(warnings, '');
  const [kept] = printed.splice(2) as [number];
  assert.equal(printed, [4500, 4500]);
  assert.ok(kept > 10_000, `${kept}`);
});

test('a training loop in scopes registers nothing', () => {
  const { printed } = run(`
    let registered = 0;
    const { register } = FinalizationRegistry.prototype;
    FinalizationRegistry.prototype.register = function (...args) {
      registered++;
      return register.apply(this, args);
    };
    const w = new Parameter(tensor([[1], [2]]));
    const x = tensor([[1, 2], [3, 4]]);
    const before = registered;
    const step = () => scope(() => {
      const [, g] = valueAndGrad(() => mean(square(matmul(x, w))), w)();
      w.assign(sub(w, mul(g, 0.01)));
    });
    for (let i = 0; i < 100; i++) step();
    print(registered - before);
  `);
  assert.equal(printed, [0]);
});

test.run();
