/** The package as it would be published: what is in it, how it is resolved, what it brings along. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import webpack from 'webpack';
import { exported, install, node } from './installed.js';

const test = suite('package');
const names = [...exported().keys()].map((name) => name.replace('.', 'memgrad'));

test('packing builds it first, declarations too', () => {
  const { scripts } = JSON.parse(readFileSync('package.json', 'utf8'));
  assert.equal([scripts.prepack, scripts.build], ['npm run build', 'node scripts/build.mjs']);
});

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
    [...exported().keys(), './backends/wasm/kernels.wasm', './package.json'].sort(),
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

test('classes have the names that they are exported by', () => {
  const { folder } = install();
  const other = node(
    [
      '--input-type=module',
      '-e',
      `import { inspect } from 'node:util';
      const other = [];
      for (const path of ${JSON.stringify(names)}) {
        for (const [name, value] of Object.entries(await import(path))) {
          if (/^class\\b/.test(value) && value.name !== name) other.push(name + ' is ' + value.name);
        }
      }
      const { Key } = await import('memgrad');
      if (!inspect(Key.of(0)).startsWith('Key')) other.push(inspect(Key.of(0)));
      console.log(other.join());`,
    ],
    folder,
  );
  assert.is(other.trim(), '');
});

test('bundlers that ignore `exports` find every sub-path', () => {
  const { alias, exports } = JSON.parse(readFileSync('package.json', 'utf8'));
  const paths = Object.entries<{ default?: string }>(exports)
    .filter(([name, target]) => name !== '.' && target.default)
    .map(([name, target]) => [name, target.default]);
  assert.equal(alias, Object.fromEntries(paths));
});

test('webpack bundles every sub-path without an error or a warning, and the bundle runs', async () => {
  const { folder } = install();
  const used = names.filter((name) => name !== 'memgrad/runs/node');
  const imports = used.map((name, i) => `import * as m${i} from '${name}';`);
  const source = `${imports.join('\n')}
    console.log([${used.map((_, i) => `m${i}`)}].every((module) => Object.keys(module).length > 0));
    console.log((await m0.backends()).map(({ name, available }) => name + ' ' + available).join());`;
  writeFileSync(join(folder, 'bundled.js'), source);
  const compiler = webpack({
    context: folder,
    mode: 'development',
    entry: './bundled.js',
    output: { path: join(folder, 'webpack'), filename: 'out.mjs', library: { type: 'module' } },
    experiments: { outputModule: true },
    target: ['web', 'es2022'],
  });
  const problems = await new Promise<string[]>((resolve, reject) => {
    compiler.run((error, stats) => {
      const { errors = [], warnings = [] } = stats?.toJson() ?? {};
      if (error) reject(error);
      else resolve([...errors, ...warnings].map(({ message }) => message));
    });
  });
  assert.equal(problems, []);
  const [whole, found] = node(['webpack/out.mjs'], folder).split('\n');
  assert.is(whole, 'true');
  assert.match(found, /^wasm true,cpu true,/);
});

test('pictures and links of the README work in the installed package', () => {
  const folder = join(install().folder, 'node_modules/memgrad');
  const readme = readFileSync(join(folder, 'README.md'), 'utf8');
  const links = [...readme.matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)].map(([, link]) => link);
  assert.ok(links.length > 20);
  assert.equal(
    links.filter((link) => !existsSync(join(folder, link))),
    [],
  );
});

test('the address of the project stands in package.json alone', () => {
  const { homepage, repository, bugs } = JSON.parse(readFileSync('package.json', 'utf8'));
  const { host } = new URL(homepage);
  for (const address of [repository.url.replace('git+', ''), bugs.url]) {
    assert.is(new URL(address).host, host);
  }
  for (const file of ['README.md', 'CONTRIBUTING.md', 'playground/index.html']) {
    assert.not.ok(readFileSync(file, 'utf8').includes(host), file);
  }
});

test('the commands of experiments/ are in a checkout alone, and elsewhere say so', () => {
  const { folder } = install();
  const main = join(folder, 'node_modules/memgrad/dist/cli/main.js');
  for (const args of [
    ['reproduce', 'copy', '--scale', 'small'],
    ['parity', '--help'],
    ['parity'],
  ]) {
    const ended = spawnSync(process.execPath, [main, ...args], { encoding: 'utf8' });
    assert.equal([ended.status, ended.stdout], [2, '']);
    const sentence = `error: memgrad ${args[0]} exists in a checkout of the repository only;`;
    assert.match(ended.stderr, new RegExp(`^${sentence} [^\\n]+\\n$`));
  }
  assert.not.match(node([main, '--help'], folder), /reproduce|parity/);
  assert.match(node([main, 'help', 'parity'], folder), /in a checkout of the repository only/);
});

test('kernels that the host compiled are taken, where bytes may not be compiled', () => {
  const { folder } = install();
  const script = `
    import { readFileSync } from 'node:fs';
    import { setDefaultBackend, tensor, sum } from 'memgrad';
    import { createWasmBackend } from 'memgrad/backends/wasm';

    const bytes = readFileSync(new URL(import.meta.resolve('memgrad/backends/wasm/kernels.wasm')));
    const module = new WebAssembly.Module(bytes); // Cloudflare Workers hand out such a module
    const refuse = () => {
      throw new Error('no code from bytes here');
    };
    WebAssembly.Module = new Proxy(WebAssembly.Module, { construct: refuse });
    WebAssembly.compile = WebAssembly.instantiate = refuse;
    setDefaultBackend(createWasmBackend({ module }));
    console.log(await sum(tensor([1, 2, 3])).item());
    for (const options of [{ module, threads: 2 }, { module: bytes }]) {
      try {
        createWasmBackend(options);
      } catch ({ name, message }) {
        console.log(name, message);
      }
    }
  `;
  writeFileSync(join(folder, 'module.js'), script);
  const [six, threads, wrong] = node(['module.js'], folder).split('\n');
  assert.is(six, '6');
  assert.match(threads, 'MemgradError wasm: the option module computes on one thread');
  assert.match(wrong, 'MemgradError wasm: module must be a WebAssembly.Module, got Uint8Array of');
});

test('it brings nothing along: no dependency, 2.3 MB of code, 3 MB with its documentation, beside the sources that this links to', () => {
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
  assert.ok(bytesBelow(join(modules, 'memgrad/dist')) < 2.3e6);
  const sources = bytesBelow(join(modules, 'memgrad/src'));
  assert.ok(bytesBelow(join(modules, 'memgrad')) - sources < 3e6);
  assert.ok(sources < 1.8e6);
});

function bytesBelow(folder: string): number {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  return files.reduce(
    (sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size,
    0,
  );
}

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
    import { createWasmBackend } from 'memgrad/backends/wasm';
    import { loadWebGL } from 'memgrad/backends/webgl';
    import { loadWebGPU } from 'memgrad/backends/webgpu';

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
    'webgl: the package gpu.js is missing, on which this backend runs; install it',
  );
  assert.match(
    webgpu,
    'webgpu: Node has WebGPU through the package webgpu, which is missing; install it (npm install webgpu)',
  );
});

test.run();
