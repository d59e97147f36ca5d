/** Prepared lists on WebGPU: launches that are merged compute what they compute one by one. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { DeviceBuffer, TypedArray } from '../../src/backends/backend.js';
import { intsOf, same } from './arrays.js';
import { checkTexts } from './kernel-texts.js';
import {
  add,
  apart,
  type Buffers,
  buffers,
  type Compute,
  check,
  counted,
  direct,
  gpu,
  kernel,
  matmul,
  norm,
  openFor,
  pad,
  readAll,
  reals,
  reluGradient,
  slice,
  sumRows,
  texts,
  view,
} from './prepared.js';

const test = suite('prepared lists on WebGPU');
openFor(test);

for (const n of [7, 8]) {
  test(`a product takes over the gradient of relu and an addend, ${n} columns`, async () => {
    const inputs = [...reals(5 * 6, 6 * n), ...buffers(5 * n, 5 * n)];
    await check('relu', inputs, 1, ([a, b, y]) => [reluGradient(y, matmul(a, b, n))]);
    await check('both', inputs, 2, ([a, b, y, r]) => [reluGradient(y, add(r, matmul(a, b, n)))]);
    await check('not behind it', inputs, 1, ([a, b, y, r]) => [
      add(reluGradient(y, matmul(a, b, n)), r),
    ]);
    await check('not as y', inputs, 0, ([a, b, , r]) => [reluGradient(matmul(a, b, n), r)]);
  });

  test(`padding takes over an addend, ${n} columns`, async () => {
    const inputs = buffers(3 * n, 5 * n, 2 * n);
    await check('an input', inputs, 1, ([x, r]) => [add(pad(x, 5, n), r)]);
    await check('of rows and of -0', inputs, 1, ([x, r]) => [add(r, pad(x, 5, n, 2, -0))]);
    await check('of a later result', inputs, 1, ([x, r]) => [add(pad(x, 5, n), apart(r))]);
    await check('a chain', inputs, 3, ([x, r, y]) => [
      add(pad(y, 5, n, 3), add(pad(x, 5, n), apart(r))),
    ]);
    await check('two', inputs, 2, ([x, r]) => [add(add(pad(x, 5, n), r), r)]);
    await check('a part of a buffer', inputs, 1, ([x, r, y]) => [
      add(pad(y, 3, n), slice(r, 4, 3 * n)),
      apart(x),
    ]);
    const whole = [gpu.upload(intsOf(3 * n, 1, 9)), gpu.upload(intsOf(5 * n, 2, 9))];
    await check('of int32', whole, 1, ([x, r]) => [add(pad(x, 5, n), r)]);
    const pieces = (x: DeviceBuffer, count: number) =>
      Array.from({ length: count }, (_, i) => ({ view: view(x, [3, n]), at: [4 * i, 0] }));
    const [x, r] = buffers(3 * n, 32 * n);
    for (const count of [6, 7]) {
      const join = () => gpu.assemble([32, n], 'float32', 0, pieces(x, count));
      await check(`${count} pieces`, [x, r], 1, () => [add(join(), r)]);
    }
  });

  test(`gradients of norms take over addends, ${n} columns`, async () => {
    const inputs = reals(5 * n, n, 5 * n, 5 * n, n, n, 5 * n);
    await check('all', inputs, 3, ([x, weight, g, r, w, b]) => {
      const [ofX, ofWeight, ofBias] = norm(x, weight, g);
      return [add(ofX, r), add(w, ofWeight), add(ofBias, b)];
    });
    await check('segments', inputs, 5, ([x, weight, g, r, w]) => {
      const one = norm(x, weight, g);
      const two = norm(r, weight, one[0]);
      const three = norm(x, weight, two[0]);
      const sum = (i: number) => add(add(one[i], two[i]), three[i]);
      return [apart(three[0]), sum(1), sum(2), apart(w)];
    });
    await check(
      'an addend before, a weight that is read between',
      inputs,
      1,
      ([x, weight, g, , w, b]) => {
        const [ofX, ofWeight, ofBias] = norm(x, weight, g);
        const read = apart(ofWeight);
        return [ofX, read, add(ofWeight, w), add(ofBias, b)];
      },
    );
    await check(
      'a later addend, a weight that is read before',
      inputs,
      0,
      ([x, weight, g, , w]) => {
        const [, ofWeight, ofBias] = norm(x, weight, g);
        const read = apart(ofWeight);
        return [read, add(ofBias, apart(w))];
      },
    );
    await check('a later addend, a weight that is read later', inputs, 1, ([x, weight, g, , w]) => {
      const [, ofWeight, ofBias] = norm(x, weight, g);
      const sum = add(ofBias, apart(w));
      return [sum, apart(ofWeight)];
    });
    await check('both results of one', inputs, 0, ([x, weight, g]) => {
      const [ofX, ofWeight, ofBias] = norm(x, weight, g);
      return [ofX, add(ofWeight, ofBias)];
    });
    await check('the rows of rms norm', inputs, 2, ([x, weight, g, r, w]) => {
      const [ofX, ofWeight] = kernel('rmsNormGradient', [x, weight, g], [1e-5, 5, n], 2);
      return [add(r, ofX), add(ofWeight, w)];
    });
    await check('without a weight, a later addend', inputs, 1, ([x, , g, r]) => [
      add(kernel('normalizeGradient', [x, g], [1e-5, 5, n])[0], apart(r)),
    ]);
  });

  test(`sums take over an addend, ${n} columns`, async () => {
    const inputs = reals(5 * n, n, 9000 * n);
    await check('of rows', inputs, 1, ([x, r]) => [add(sumRows(x, n), r)]);
    await check('of parts', inputs, 1, ([, r, x]) => [add(r, sumRows(x, n))]);
    await check('not the largest', inputs, 0, ([x, r]) => [
      add(gpu.reduce('max', view(x, [n, 5], [1, n]), 1), r),
    ]);
  });
}

test('what is read twice, or lasts, stays', async () => {
  const inputs = reals(9, 9, 9);
  await check('read twice', inputs, 0, ([a, b, r]) => {
    const product = matmul(a, b, 3);
    return [add(product, r), apart(product)];
  });
  await check('added to itself', inputs, 0, ([a, b]) => {
    const product = matmul(a, b, 3);
    return [add(product, product)];
  });
  await check('lasting', inputs, 0, ([a, b, r]) => {
    const product = matmul(a, b, 3);
    return [add(product, r), product];
  });
  await check('a part', inputs, 0, ([a, b, r]) => [
    add(slice(matmul(a, b, 3), 4, 5), slice(r, 4, 5)),
  ]);
});

test('operands may lie elsewhere in each run', async () => {
  const [a, b, y, r] = [...reals(9, 9), ...buffers(24, 24)];
  const compute: Compute = ([a, b, y, r]) => [reluGradient(y, add(matmul(a, b, 3), r))];
  const inputs = (at: number) => [a, b, slice(y, at, 9), slice(r, at + 4, 9)];
  const list = gpu.prepare(inputs(4), () => compute(inputs(4), direct));
  for (const at of [4, 8]) {
    const [made, launches] = counted(() => list.run(inputs(at)) as Buffers);
    assert.is(launches, 1);
    const [came] = await readAll(made);
    const [expected] = await readAll(compute(inputs(at), direct));
    same(came, expected, `from ${at} on`);
  }
  list.dispose();
});

test('parts with numbers stay, and what is merged around them keeps its order', async () => {
  const inputs = reals(12, 4, 12, 12, 4);
  let words = [1, 2];
  const dropout = (x: DeviceBuffer) => kernel('dropout', [x], [0.5, ...words])[0];
  const compute: Compute = ([x, weight, g, r, w], part) => {
    const [ofX, ofWeight, ofBias] = norm(x, weight, g);
    const dropped = part(() => dropout(add(ofX, r)));
    const noise = part(() => dropout(ofWeight));
    // Its operand comes behind a part that reads the other result.
    return [dropped, add(ofBias, noise), add(dropped, pad(w, 3, 4))];
  };
  await check('parts', inputs, 1, compute);
  const calls: (() => void)[] = [];
  const list = gpu.prepare(inputs, (part) =>
    compute(inputs, (f) => {
      calls.push(f);
      return part(f);
    }),
  );
  const seen: TypedArray[] = [];
  for (const next of [
    [1, 2],
    [3, 4],
  ]) {
    words = next;
    list.renumber(() => {
      for (const again of calls) again();
    });
    const came = await readAll(list.run(inputs) as Buffers);
    const expected = await readAll(compute(inputs, direct));
    for (const [i, values] of came.entries()) same(values, expected[i], `${words}, result ${i}`);
    seen.push(came[0]);
  }
  assert.not.equal(seen[0], seen[1]);
  list.dispose();
});

test('their texts compare no float that may be NaN', () => {
  assert.ok([...texts.keys()].filter((key) => /addend|to_weight|y1/.test(key)).length > 8);
  checkTexts(texts);
});

test.run();
