/** The GPU backends without a GPU: what they say in Node, and the caches and the text of `webgl`. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Pool } from '../../src/backends/gpu/pool.js';
import { backendNames, backends, loadBackend } from '../../src/backends/index.js';
import { Cache } from '../../src/backends/webgl/device.js';
import { indexFunction, walkOf } from '../../src/backends/webgl/kernels/views.js';
import { toGlsl } from '../../src/backends/webgl/text.js';
import { MemgradError } from '../../src/errors.js';

const test = suite('gpu in Node');

test('asking for webgl says what is missing and what to do', async () => {
  try {
    await loadBackend('webgl');
    assert.unreachable();
  } catch (error) {
    assert.instance(error, MemgradError);
    assert.match(String(error), /webgl: there is no WebGL.* 'wasm', which runs/);
  }
});

test('backends() reports each, with the reason for those that are not there', async () => {
  const reports = await backends({ gpu: {} }); // an option of one is none of the others'
  assert.equal(
    reports.map(({ name }) => name),
    backendNames,
  );
  for (const { name, available, why } of reports) {
    if (name !== 'webgpu') assert.is(available, name === 'wasm' || name === 'cpu', name);
    else if (!available)
      assert.match(String(why), /^webgpu: .* no GPU, which needs a driver .* 'wasm'\.$/);
    assert.is(why === undefined, available, name);
  }
});

test('a cache is bounded and lets go of what was used longest ago', () => {
  const gone: number[] = [];
  const cache = new Cache<number>(2, (value) => gone.push(value));
  const get = (value: number) => cache.get(String(value), () => value);
  assert.equal([1, 2, 1, 3, 1].map(get), [1, 2, 1, 3, 1]);
  assert.equal(gone, [2]);
  assert.is(cache.size, 2);
});

test('a pool gives back what fits and is usable, and destroys what is over its bound', () => {
  let made = 0;
  const gone: number[] = [];
  const pool = new Pool<number>(
    10,
    () => ++made,
    (value) => gone.push(value),
  );
  const [a, b, c] = [pool.take(4), pool.take(4), pool.take(4)];
  for (const value of [a, b, c]) pool.give(4, value);
  assert.equal(gone, [c]);
  assert.is(pool.made, 2);
  assert.is(pool.take(8), 4); // of another size
  assert.is(
    pool.take(4, (value) => value !== b),
    a,
  );
  assert.is(
    pool.take(4, () => false),
    5,
  );
  assert.is(pool.take(4), b);
  assert.is(pool.made, 4);
});

test('axes are joined where all views step evenly', () => {
  const joined = (shape: number[], ...strides: number[][]) => walkOf(shape, strides);
  assert.equal(joined([2, 3, 4], [12, 4, 1]), { shape: [24], strides: [[1]] });
  assert.equal(joined([2, 3, 4], [12, 4, 1], [0, 4, 1]), {
    shape: [2, 12],
    strides: [
      [12, 1],
      [0, 1],
    ],
  });
  assert.equal(joined([1, 1], [5, 5]), { shape: [1], strides: [[0]] });
});

test('an index function counts as strides do', () => {
  const shape = [2, 3, 4];
  const strides = [1, 0, 7];
  const text = indexFunction('at', shape, strides, 5)
    .replace(/fn at\(e: i32\) -> i32/, 'function at(e)')
    .replace(/(let|var) (\w+): i32/g, '$1 $2')
    .replace(/= (\w+ \/ \d+);/g, '= Math.trunc($1);');
  const at = new Function(`${text} return at;`)() as (e: number) => number;
  const expected: number[] = [];
  for (let i = 0; i < 2; i++) {
    for (let j = 0; j < 3; j++) for (let k = 0; k < 4; k++) expected.push(5 + i + 7 * k);
  }
  assert.equal(
    expected.map((_, e) => at(e)),
    expected,
  );
});

test('a kernel is spelt in GLSL, with the functions that it needs', () => {
  const text = `fn twice(x: f32, n: i32) -> f32 { return x * f32(n); }
fn compute(t: i32) -> vec4f {
  var sum: f32 = number0;
  for (var i: i32 = 0; i < 4; i++) { sum += a_value(t + i); }
  more1 = vec4f(sum, sum, sum, sum);
  return more1;
}`;
  const kernel = { text, inputs: 1, numbers: 1, outputs: 2 };
  const glsl = toGlsl(kernel, 'vec4 a_at(int i) { return vec4(0.0); }', 'user_');
  assert.match(glsl, 'float twice(float x, int n) { return x * float(n); }');
  assert.match(glsl, 'for (int i = 0; i < 4; i++)');
  assert.match(glsl, 'float sum = user_number0;');
  assert.ok(glsl.indexOf('float lane_of(') < glsl.indexOf('float a_value('));
  assert.ok(glsl.indexOf('float a_value(') < glsl.indexOf('vec4 compute('));
  assert.not.match(glsl, 'exponential');
});

test.run();
