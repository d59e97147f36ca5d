/**
 * How much of memgrad an app loads, gzipped. size-limit says this of a bundle in one piece, where
 * the backends that load only when asked for would count too; so esbuild splits here as it does for
 * an app, and what counts is the entry with all that it imports statically.
 */
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { install } from './installed.js';

const test = suite('size');

interface Loaded {
  /** What comes before anything runs. */
  readonly gzipped: number;
  /** The rest, by name: what a dynamic import asks for. */
  readonly later: readonly string[];
}

/** Bundles, minifies and compresses an app whose code is `source`. */
async function load(source: string): Promise<Loaded> {
  const { metafile, outputFiles } = await build({
    stdin: { contents: source, resolveDir: install().folder, sourcefile: 'app.js' },
    absWorkingDir: install().folder,
    outdir: 'app',
    entryNames: 'app',
    bundle: true,
    splitting: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    metafile: true,
    write: false,
    logLevel: 'error',
  });
  const first = new Set<string>();
  const add = (name: string) => {
    if (first.has(name)) return;
    first.add(name);
    for (const { path, kind } of metafile.outputs[name].imports) {
      if (kind === 'import-statement') add(path);
    }
  };
  add('app/app.js');
  const sizes = outputFiles.map(({ path, contents }) => {
    const name = `app/${path.split(/[\\/]/).at(-1)}`;
    return first.has(name) ? gzipSync(contents, { level: 9 }).length : 0;
  });
  return {
    gzipped: sizes.reduce((sum, size) => sum + size, 0),
    later: Object.keys(metafile.outputs).filter((name) => !first.has(name)),
  };
}

const limits: Record<string, [source: string, kilobytes: number]> = {
  'everything of tensors and gradients, with the wasm backend': ["export * from 'memgrad';", 35],
  'RMT and training': [
    `export { tensor, valueAndGrad } from 'memgrad';
    export { createModel, generate, presets } from 'memgrad/models';
    export { createTask } from 'memgrad/tasks';
    export { AdamW, evaluate, train } from 'memgrad/training';`,
    50,
  ],
};

for (const [name, [source, kilobytes]] of Object.entries(limits)) {
  test(`${name}: at most ${kilobytes} kB`, async () => {
    const { gzipped } = await load(source);
    console.log(`${name}: ${(gzipped / 1000).toFixed(1)} kB of ${kilobytes}`);
    assert.ok(gzipped <= 1000 * kilobytes, `${gzipped} bytes`);
    assert.ok(gzipped > 10_000, `only ${gzipped} bytes: something is missing`);
  });
}

test('the other backends load only when they are asked for', async () => {
  const { later } = await load("export * from 'memgrad';");
  for (const backend of ['cpu', 'gpu']) {
    assert.ok(
      later.some((name) => name.startsWith(`app/${backend}-`)),
      `${backend}: ${later}`,
    );
  }
  const { later: none } = await load("export { RMT } from 'memgrad/models';");
  assert.equal(none, []);
});

test.run();
