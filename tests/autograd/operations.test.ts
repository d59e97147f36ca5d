/** The table of operations has all that is exported, and says the truth about gradients. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { inside } from '../../src/autograd/context.js';
import * as engine from '../../src/autograd/index.js';
import * as functions from '../../src/autograd/operations/by-name.js';
import { Tape } from '../../src/autograd/tape.js';
import { pullback } from '../../src/autograd/transforms/backward.js';
import { createCpuBackend } from '../../src/backends/cpu/index.js';
import { upload } from '../../src/testing/case.js';
import { cases, categories, operationNames, operations } from '../../src/testing/index.js';

const test = suite('operations');

test('every operation of the table has its cases, and nothing else has', () => {
  assert.equal(Object.keys(cases).sort(), [...operationNames].sort());
  assert.equal(Object.keys(categories).sort(), Object.keys(functions).sort());
  for (const name of operationNames) assert.type(operations[name], 'function');
});

test('every entry has patterns, with names that differ', () => {
  for (const name of operationNames) {
    const names = cases[name].patterns.map(({ pattern }) => pattern);
    assert.ok(names.length >= 5, `${name} has ${names.length} patterns`);
    assert.is(new Set(names).size, names.length, `${name} names a pattern twice`);
  }
});

test("a result is the caller's to free, also where nothing is computed", async () => {
  const backend = createCpuBackend();
  for (const name of operationNames) {
    for (const { pattern, inputs, call } of cases[name].patterns) {
      const args = inputs.map((input) => upload(input, backend, 'float32'));
      call(args, 'float32').dispose();
      assert.not(
        args.some(({ isFreed }) => isFreed),
        `${name}: ${pattern}`,
      );
    }
  }
  const { Key, tensor } = engine;
  const calls: Record<string, (x: engine.Tensor) => engine.Tensor> = {
    cumsum: (x) => engine.cumsum(x, 0),
    cumprod: (x) => engine.cumprod(x, 0),
    slice: (x) => engine.slice(x, 0, 0),
    dropout: (x) => engine.dropout(x, 0, Key.of(1)),
    broadcastTo: (x) => engine.broadcastTo(x, [1, 2]),
    pad: (x) =>
      engine.pad(x, [
        [0, 0],
        [0, 0],
      ]),
    cast: (x) => engine.cast(x, 'float32'),
    roll: (x) => engine.roll(x, 2, 1),
    flip: (x) => engine.flip(x, []),
    tile: (x) => engine.tile(x, [1, 1]),
    einsum: (x) => engine.einsum('ij->ij', [x]),
    sum: (x) => engine.sum(x, []),
    concat: (x) => engine.concat([x], 0),
    split: (x) => engine.split(x, 1)[0],
  };
  for (const [name, call] of Object.entries(calls)) {
    const captured = engine.capture(call);
    for (const f of [
      call,
      captured,
      captured,
      engine.grad((x: engine.Tensor) => engine.sum(call(x))),
    ]) {
      const x = tensor([[1, 2]], { backend });
      f(x).dispose();
      assert.equal(await x.array(), [[1, 2]], name);
    }
  }
});

for (const name of operationNames) {
  const { differentiable, patterns } = cases[name];

  test(`${name}: ${differentiable === true ? 'a gradient for each argument' : 'no gradient'}`, () => {
    const backend = createCpuBackend();
    const wrong = patterns.flatMap(({ pattern, inputs, call }) =>
      inputs.flatMap(({ dtype }, index) => {
        if (dtype === 'int32') return [];
        const args = inputs.map((input) => upload(input, backend, 'float64'));
        const tape = new Tape([args[index]]);
        const output = inside({ recorders: [tape] }, () => call(args, 'float64'));
        if (output.dtype === 'int32' && differentiable === true) return []; // cast
        if (tape.tracks(output) !== (differentiable === true)) return [`${pattern}: ${index}`];
        // Each step on the way has a rule for what it tracks: none is missing in the middle.
        return tape.entries.flatMap((entry) => {
          if ('replay' in entry) return [`${pattern}: a checkpoint is no operation`];
          const wanted = entry.inputs.map((input) => tape.tracks(input));
          const ones = entry.outputs.map((x) =>
            engine.ones(x.shape, { dtype: x.dtype, backend: x.backend }),
          );
          const passed = pullback(entry, ones, wanted);
          return wanted.flatMap((wants, i) =>
            wants && !passed[i]
              ? [`${pattern}: ${entry.operation.name} has no rule for argument ${i}`]
              : [],
          );
        });
      }),
    );
    assert.equal(wrong, []);
  });
}

test.run();
