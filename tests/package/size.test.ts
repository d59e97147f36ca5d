/** How much of memgrad an app loads, gzipped. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { loaded } from '../../scripts/loaded.mjs';
import { install } from './installed.js';

const test = suite('size');

const load = (source: string) => loaded(source, install().folder);

const limits: Record<string, [source: string, kilobytes: number]> = {
  'everything of tensors and gradients, with the wasm backend': ["export * from 'memgrad';", 46],
  'RMT and training': [
    `export { tensor, valueAndGrad } from 'memgrad';
    export { createModel, generate, presets } from 'memgrad/models';
    export { createTask } from 'memgrad/tasks';
    export { AdamW, evaluate, train } from 'memgrad/training';`,
    60,
  ],
};

for (const [name, [source, kilobytes]] of Object.entries(limits)) {
  test(`${name}: at most ${kilobytes} kB`, async () => {
    const { gzipped } = await load(source);
    console.log(`${name}: ${(gzipped / 1000).toFixed(2)} kB of ${kilobytes}`);
    assert.ok(gzipped <= 1000 * kilobytes, `${gzipped} bytes`);
    assert.ok(gzipped > 10_000, `only ${gzipped} bytes: something is missing`);
  });
}

test('the other backends, and threads, load only when they are asked for', async () => {
  const { later } = await load("export * from 'memgrad';");
  for (const part of ['cpu', 'webgl', 'webgpu', 'threads', 'prepared']) {
    assert.ok(
      later.some((name) => name.startsWith(`app/${part}-`)),
      `${part}: ${later}`,
    );
  }
  const { later: none } = await load("export { RMT } from 'memgrad/models';");
  assert.ok(
    none.every((name) => /^app\/(threads|prepared)-/.test(name)),
    `${none}`,
  );
});

test.run();
