/** The package as it would be published: what is in it, how it is resolved, what it brings along. */
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { exported, install, node } from './installed.js';

const test = suite('package');
const names = [...exported().keys()].map((name) => name.replace('.', 'memgrad'));

test('publint finds nothing', async () => {
  const { tarball } = install();
  const bytes = readFileSync(tarball);
  const pack = { tarball: new Uint8Array(bytes).buffer };
  const { messages, pkg } = await publint({ pack, strict: true });
  assert.equal(
    messages.map((message) => formatMessage(message, pkg, { color: false })),
    [],
  );
});

test('every sub-path has types wherever ES modules are resolved by exports', async () => {
  const checked = await checkPackage(
    createPackageFromTarballData(new Uint8Array(readFileSync(install().tarball))),
  );
  assert.ok(checked.types, 'the package has types');
  assert.equal(
    Object.keys(checked.entrypoints).sort(),
    [...exported().keys(), './package.json'].sort(),
  );
  // memgrad has ES modules alone: `require` of one is what Node makes of it, and node10 knows no exports.
  const problems = checked.problems.filter(
    (problem) =>
      !('resolutionKind' in problem) ||
      problem.resolutionKind === 'node16-esm' ||
      problem.resolutionKind === 'bundler',
  );
  assert.equal(problems, []);
});

test('a strict TypeScript project compiles with each sub-path, and checks their declarations', () => {
  const { folder } = install();
  const imports = names.map((name, i) => `import * as m${i} from '${name}';`);
  writeFileSync(
    join(folder, 'use.ts'),
    `${imports.join('\n')}\nexport const all = [${names.map((_, i) => `m${i}`)}];\n`,
  );
  const compiler = resolve('node_modules/@typescript/native/bin/tsc');
  for (const [module, moduleResolution] of [
    ['nodenext', 'nodenext'],
    ['esnext', 'bundler'],
  ]) {
    const options = ['--noEmit', '--strict', '--skipLibCheck', 'false', '--types', ''];
    const how = ['--target', 'es2022', '--module', module, '--moduleResolution', moduleResolution];
    const lib = ['--lib', 'es2022,dom,esnext.disposable'];
    node([compiler, ...options, ...how, ...lib, 'use.ts'], folder);
  }
});

test('it brings nothing along: no dependency, under 1.5 MB', () => {
  const { folder } = install();
  const modules = join(folder, 'node_modules');
  assert.equal(
    readdirSync(modules).filter((name) => !name.startsWith('.')),
    ['memgrad'],
  );
  const { dependencies, scripts } = JSON.parse(
    readFileSync(join(modules, 'memgrad/package.json'), 'utf8'),
  );
  assert.is(dependencies, undefined);
  assert.is(scripts.install ?? scripts.postinstall, undefined);
  const entries = readdirSync(join(modules, 'memgrad'), { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  const bytes = files.reduce(
    (sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size,
    0,
  );
  assert.ok(bytes < 1.5e6, `${bytes} bytes`);
});

test('importing everything does nothing: no text becomes code, no global changes, nothing is printed or left running', () => {
  const { folder } = install();
  const script = `
    const before = Reflect.ownKeys(globalThis);
    for (const name of ${JSON.stringify(names)}) {
      const module = await import(name);
      if (Object.keys(module).length === 0) throw new Error(name + ' exports nothing');
    }
    const added = Reflect.ownKeys(globalThis).filter((key) => !before.includes(key));
    if (added.length > 0) throw new Error('new globals: ' + added.map(String));
  `;
  writeFileSync(join(folder, 'import-all.js'), script);
  assert.is(node(['--disallow-code-generation-from-strings', 'import-all.js'], folder), '');
});

test('each backend works, or says in one sentence what is missing', () => {
  const { folder } = install();
  const script = `
    import { loadBackend, matmul, tensor } from 'memgrad';
    import { createCpuBackend } from 'memgrad/backends/cpu';
    import { loadWebGL, loadWebGPU } from 'memgrad/backends/gpu';
    import { createWasmBackend } from 'memgrad/backends/wasm';

    for (const backend of [createWasmBackend(), createCpuBackend(), await loadBackend('cpu')]) {
      const product = matmul(tensor([[1, 2]], { backend }), tensor([[3], [4]], { backend }));
      console.log(backend.name, await product.item());
    }
    globalThis.OffscreenCanvas = class {}; // as on a page, where gpu.js is looked for
    for (const load of [loadWebGL, loadWebGPU]) {
      await load().then(() => console.log('loaded'), ({ message }) => console.log(message));
    }
  `;
  writeFileSync(join(folder, 'backends.js'), script);
  const [wasm, cpu, byName, webgl, webgpu] = node(['backends.js'], folder).split('\n');
  assert.equal([wasm, cpu, byName], ['wasm 11', 'cpu 11', 'cpu 11']);
  assert.match(
    webgl,
    'webgl: the package gpu.js is missing, which this backend runs on; install it',
  );
  assert.match(webgpu, 'webgpu: there is no WebGPU here');
});

test.run();
