/** The text of every kernel of `webgl` that the conformance suite and a training step ask for. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { library } from '../../src/backends/gpu/library.js';
import { WebGLBackend } from '../../src/backends/webgl/backend.js';
import type { Block, Device } from '../../src/backends/webgl/device.js';
import { complete } from '../../src/backends/webgl/text.js';
import { createModel, presets } from '../../src/models/index.js';
import { Copy } from '../../src/tasks/index.js';
import { runConformance } from '../../src/testing/index.js';
import { Adam, AdamW, train } from '../../src/training/index.js';
import { checkTexts, droppingCalls, floatComparisons } from './kernel-texts.js';

const test = suite('texts of the kernels of webgl');

/** A device that computes nothing and keeps the text of its kernels. */
class Recorder implements Device {
  readonly name = 'recorder';
  readonly mostTexels = 2 ** 24;
  readonly texts = new Map<string, string>();
  upload(_: Float32Array, texels: number): Block {
    return { texels };
  }
  async read({ texels }: Block) {
    return new Float32Array(4 * texels).fill(1);
  }
  free() {}
  run(key: string, make: Parameters<Device['run']>[1], _: readonly Block[], texels: number) {
    const kernel = make();
    this.texts.set(key, complete(kernel.text));
    return Array.from({ length: kernel.outputs }, () => ({ texels }));
  }
  counts() {
    return { blocks: 0, kernels: this.texts.size };
  }
  close() {}
}

const { texts } = new Recorder();
test.before(async () => {
  const recorder = new Recorder();
  const backend = new WebGLBackend(recorder);
  await runConformance(backend);
  const task = new Copy({ length: 2, symbols: 4, copies: 1 });
  for (const optimizer of [new Adam({ learningRate: 1e-3 }), new AdamW({ learningRate: 1e-3 })]) {
    const sizes = { nLayer: 1, nHead: 2, dModel: 8, dHead: 4, dInner: 16, memLen: 1 };
    const config = { ...presets.fast, ...sizes, nToken: task.vocabulary, dropout: 0.1, backend };
    const model = createModel('rmt', { ...config, numMemTokens: 2 }, 1);
    const options = { model, task, optimizer, segmentLength: 3, steps: 1, batchSize: 2, seed: 1 };
    for await (const _ of train({ ...options, clip: 1, backend }));
  }
  for (const [key, text] of recorder.texts) texts.set(key, text);
});

test('no kernel uses a built-in function that may drop NaN, or compares floats that may be NaN', () => {
  assert.ok(texts.size > 500, `${texts.size} texts`);
  const comparisons = checkTexts(texts);
  assert.ok(comparisons > 20, `${comparisons} comparisons were found`);
});

test('the comparisons of a text are found', () => {
  const found = (body: string, globals?: string) =>
    floatComparisons({ name: 'f', parameters: 'x: f32, n: i32', body: `{ ${body} }` }, globals);
  assert.equal(found('return select(x, 0.0, x < 0.0);'), ['x < 0.0']);
  assert.equal(found('let v: vec4f = a_at(n); if (v.x == v.y) { return 1; }'), ['v.x == v.y']);
  assert.equal(found('if (floor(x) != x || n >= 3) { return 1; }'), ['floor(x) != x']);
  assert.equal(found('for (var i: i32 = 0; i < n; i++) {}'), []);
  assert.equal(found('let y = x; if (y > n) {}'), ['y > n']);
  assert.equal(found('if (a[n] > 0) {} if (b[n] > 0) {}', 'a: array<vec4f>; b: array<i32>;'), [
    'a[n] > 0',
  ]);
});

test('calls that may drop NaN are found', () => {
  const found = (body: string) =>
    droppingCalls(
      { name: 'f', parameters: 'x: f32, n: i32', body: `{ ${body} }` },
      'a: array<f32>;',
    );
  assert.equal(found('return max(x, 0.0);'), ['max(x, 0.0)']);
  assert.equal(found('let y = a[n]; return min(y, y);'), ['min(y, y)']);
  assert.equal(found('return max((n + 3) / 4, min(n, p.k - 1));'), []);
  assert.equal(found('return sign(n);'), ['sign(n)']);
});

test('every shared function is part of some kernel', () => {
  const all = [...texts.values()].join('\n');
  for (const name of Object.keys(library)) assert.ok(all.includes(`fn ${name}(`), name);
});

test.run();
