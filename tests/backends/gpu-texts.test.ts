/**
 * The text of every kernel that the conformance suite and a training step ask for. A driver may
 * assume that there is no NaN, so a text may only compare floats where it looks at their bits;
 * SwiftShader makes no use of that, and results alone would not show it.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { GpuBackend } from '../../src/backends/gpu/backend.js';
import type { Block, Device } from '../../src/backends/gpu/device.js';
import { library } from '../../src/backends/gpu/library.js';
import { toWgsl } from '../../src/backends/gpu/text.js';
import { createModel, presets } from '../../src/models/index.js';
import { Copy } from '../../src/tasks/index.js';
import { runConformance } from '../../src/testing/index.js';
import { Adam, AdamW, train } from '../../src/training/index.js';

const test = suite('texts of GPU kernels');

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
    this.texts.set(key, toWgsl(kernel, texels, 64));
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
  const backend = new GpuBackend(recorder);
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

interface Part {
  readonly name: string;
  readonly parameters: string;
  readonly body: string;
}

/** The functions of a text. */
function partsOf(text: string): Part[] {
  return text.split(/^(?=fn |@compute)/m).flatMap((source) => {
    const [, name, parameters] = /^fn (\w+)\(([^)]*)\)/.exec(source) ?? [];
    return name ? [{ name, parameters, body: source.slice(source.indexOf('{')) }] : [];
  });
}

/** Comparisons with a float on one side, by the declarations of the function. */
function floatComparisons({ parameters, body }: Part): string[] {
  const code = body.replace(/\/\/.*$/gm, '');
  const declared = [...`${parameters} ${code}`.matchAll(/(\w+): (?:f32|vec4f)\b/g)];
  const floats = new Set(declared.map(([, name]) => name));
  const operand = String.raw`-?[\w.]+(?:\([^()]*\))?`;
  const pattern = new RegExp(`(${operand}) (<|>|<=|>=|==|!=) (${operand})`, 'g');
  const isFloat = (side: string) =>
    /^-?\d+\.\d/.test(side) ||
    floats.has(side.replace(/^-|\..*$/g, '')) ||
    /^(?:abs|floor|float_of|f32|\w+_value)\(/.test(side);
  return [...code.matchAll(pattern)]
    .filter(([, left, , right]) => isFloat(left) || isFloat(right))
    .map(([comparison]) => comparison);
}

test('no kernel uses a built-in function that may drop NaN', () => {
  assert.ok(texts.size > 500, `${texts.size} texts`);
  for (const [key, text] of texts) {
    const [found] =
      /\b(?:min|max|clamp|step|smoothstep|sign|mix|saturate|pow|modf|isnan)\(/.exec(text) ?? [];
    assert.is(found, undefined, `${key}: ${found}`);
  }
});

test('floats are compared only where their bits have been asked for NaN', () => {
  const seen = new Set<string>();
  let comparisons = 0;
  for (const [key, text] of texts) {
    for (const part of partsOf(text)) {
      const id = part.parameters + part.body;
      if (seen.has(id)) continue;
      seen.add(id);
      for (const comparison of floatComparisons(part)) {
        comparisons++;
        if (/^u\.[xyzw] >= /.test(comparison)) continue; // uniform numbers, which are never NaN
        assert.ok(part.body.includes('is_nan('), `${key}: ${part.name} has ${comparison}`);
      }
    }
  }
  assert.ok(comparisons > 20, `${comparisons} comparisons were found`);
});

test('the comparisons of a text are found', () => {
  const found = (body: string) =>
    floatComparisons({ name: 'f', parameters: 'x: f32, n: i32', body: `{ ${body} }` });
  assert.equal(found('return select(x, 0.0, x < 0.0);'), ['x < 0.0']);
  assert.equal(found('let v: vec4f = a_at(n); if (v.x == v.y) { return 1; }'), ['v.x == v.y']);
  assert.equal(found('if (floor(x) != x || n >= 3) { return 1; }'), ['floor(x) != x']);
  assert.equal(found('for (var i: i32 = 0; i < n; i++) {}'), []);
});

test('every shared function is part of some kernel', () => {
  const all = [...texts.values()].join('\n');
  for (const name of Object.keys(library)) assert.ok(all.includes(`fn ${name}(`), name);
});

test.run();
