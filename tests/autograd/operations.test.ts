/** The table of operations has all that is exported, and says the truth about gradients. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as engine from '../../src/autograd/index.js';
import { Tape, withRecorders } from '../../src/autograd/tape.js';
import { createCpuBackend } from '../../src/backends/cpu/index.js';
import { upload } from '../../src/testing/case.js';
import { notOperations } from '../../src/testing/cases.js';
import { cases, operationNames, operations } from '../../src/testing/index.js';

const test = suite('operations');

test('everything exported is an operation with an entry, or known to be none', () => {
  const known = new Set<string>([...notOperations, ...operationNames]);
  const exported = Object.keys(engine);
  assert.equal(
    exported.filter((name) => !known.has(name)),
    [],
    'exported, but neither in the table of operations nor in notOperations',
  );
  assert.equal(
    [...known].filter((name) => !exported.includes(name)),
    [],
    'in the table, but not exported',
  );
  assert.equal(Object.keys(operations).sort(), [...operationNames].sort());
});

test('every entry has patterns, with names that differ', () => {
  for (const name of operationNames) {
    const names = cases[name].patterns.map(({ pattern }) => pattern);
    assert.ok(names.length >= 5, `${name} has ${names.length} patterns`);
    assert.is(new Set(names).size, names.length, `${name} names a pattern twice`);
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
        const output = withRecorders([tape], () => call(args, 'float64'));
        if (output.dtype === 'int32' && differentiable === true) return []; // cast
        if (tape.tracks(output) !== (differentiable === true)) return [`${pattern}: ${index}`];
        // Each step on the way has a rule for what it tracks: none is missing in the middle.
        return tape.entries.flatMap((entry) => {
          if ('replay' in entry) return [`${pattern}: ${entry.name} is no operation`];
          const wanted = entry.inputs.map((input) => tape.tracks(input));
          const ones = entry.outputs.map((x) =>
            engine.ones(x.shape, { dtype: x.dtype, backend: x.backend }),
          );
          const passed = entry.pullback(ones, wanted);
          return wanted.flatMap((wants, i) =>
            wants && !passed[i] ? [`${pattern}: ${entry.name} has no rule for argument ${i}`] : [],
          );
        });
      }),
    );
    assert.equal(wrong, []);
  });
}

test.run();
