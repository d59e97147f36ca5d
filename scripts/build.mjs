// Bundles the library and the command line into dist/, then writes the type declarations.
//   node scripts/build.mjs             JavaScript and declarations
//   node scripts/build.mjs --no-types  JavaScript only
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, copyFile, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { builtinModules, createRequire } from 'node:module';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { entryPoints as library } from './entry-points.mjs';
import { compileKernels, wasmKernels } from './kernels.mjs';
import { bundledLicences } from './licences.mjs';
import { texts } from './texts.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const dist = join(root, 'dist');
const types = !process.argv.includes('--no-types');
const started = performance.now();

const cli = 'src/cli/main.ts';
/** For a checkout: the package leaves dist/experiments out. */
const experiments = 'experiments/commands.ts';

const builtin = new RegExp(`^(node:.+|${builtinModules.join('|')})$`);

/**
 * Bundled CommonJS packages call `require` for Node's built-in modules, which an ES module lacks.
 * Each such call resolves to a small CommonJS module that imports the built-in one. So no bundle
 * needs `createRequire`, and the library stays independent of Node wherever its source is.
 * @type {import('esbuild').Plugin}
 */
const requiredBuiltins = {
  name: 'required-builtins',
  setup(api) {
    api.onResolve({ filter: builtin }, ({ path, kind }) =>
      kind === 'require-call' ? { path, namespace: 'builtin' } : { path, external: true },
    );
    api.onLoad({ filter: /.*/, namespace: 'builtin' }, ({ path }) => ({
      contents: `import builtin from ${JSON.stringify(path)};\nmodule.exports = builtin;\n`,
      loader: 'js',
    }));
  },
};

/** Lists every file below `folder`; none if it doesn't exist. */
async function filesBelow(folder) {
  if (!existsSync(folder)) return [];
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((e) => e.isFile()).map((e) => join(e.parentPath ?? e.path, e.name));
}

/** Removes the declarations that none of the library's entries refers to: those of internals. */
async function dropDeclarations() {
  const kept = new Set(
    library.map((file) => join(dist, file.replace(/^src\//, '').replace(/ts$/, 'd.ts'))),
  );
  for (const file of kept) {
    const text = await readFile(file, 'utf8');
    for (const [, name] of text.matchAll(/(?:from|import|module)[ (]*['"](\.[^'"]+)\.js['"]/g)) {
      kept.add(join(dirname(file), `${name}.d.ts`)); // and is visited later in this loop
    }
  }
  for (const file of await filesBelow(dist)) {
    if (file.endsWith('.d.ts') && !kept.has(file)) await rm(file);
  }
}

if (types) await rm(dist, { recursive: true, force: true });

const { metafile } = await build({
  absWorkingDir: root,
  entryPoints: [...library, cli, experiments].map((file) => ({
    in: file,
    out: file.replace(/^src\/|\.ts$/g, ''),
  })),
  outdir: 'dist',
  bundle: true,
  splitting: true,
  format: 'esm',
  target: 'es2022',
  platform: 'neutral',
  mainFields: ['module', 'main'],
  external: ['gpu.js'], // an optional peer dependency, for webgl
  chunkNames: 'chunks/[name]-[hash]',
  plugins: [requiredBuiltins, wasmKernels, texts],
  metafile: true,
  logLevel: 'warning',
}).catch(() => process.exit(1));

const written = new Set(Object.keys(metafile.outputs).map((file) => resolve(root, file)));
for (const file of await filesBelow(dist)) {
  if (file.endsWith('.js') && !written.has(file)) await rm(file);
}

// If a class refers to itself, esbuild writes `var Key = class _Key`, and errors and consoles would
// show that name. Both names work inside the class.
const renamed = /^((?:var|let|const) (\w+) = class )_\2\b/gm;

// esbuild makes each file import all chunks below it, for their side effects. Only one of our
// chunks has any; the other imports would make an app load the helpers of backends that it doesn't
// use.
const [[registers]] = Object.entries(metafile.outputs).filter(
  ([, { inputs }]) => 'src/default-backend.ts' in inputs,
);
for (const file of written) {
  let text = await readFile(file, 'utf8');
  const bare = /^import "([./]+(?:chunks\/)?[\w-]+-[A-Z\d]{8}\.js)";\n/gm;
  const isKept = (name) => resolve(dirname(file), name) === resolve(root, registers);
  text = text.replace(bare, (line, name) => (isKept(name) ? line : ''));
  const names = [...text.matchAll(renamed)].map(([, , name]) => name);
  for (const name of names) text = text.replace(new RegExp(`\\b_${name}\\b`, 'g'), name);
  await writeFile(file, text);
}

const command = join(dist, 'cli', 'main.js');
const source = await readFile(command, 'utf8');
if (!source.startsWith('#!')) await writeFile(command, `#!/usr/bin/env node\n${source}`);
await chmod(command, 0o755);
// For hosts that can't compile WebAssembly at run time. All others use the copy inside the bundle.
const { output: kernels } = await compileKernels();
await copyFile(kernels, join(dist, 'backends', 'wasm', 'kernels.wasm'));
await writeFile(
  join(dist, 'THIRD_PARTY_LICENSES.txt'),
  await bundledLicences(root, Object.keys(metafile.inputs)),
);

if (types) {
  const typescript = createRequire(import.meta.url).resolve('@typescript/native/package.json');
  const { bin } = JSON.parse(await readFile(typescript, 'utf8'));
  const { status } = spawnSync(
    process.execPath,
    [join(dirname(typescript), bin.tsc), '-p', 'tsconfig.build.json'],
    { cwd: root, stdio: 'inherit' },
  );
  if (status !== 0) process.exit(status ?? 1);
  await dropDeclarations();
  await writeFile(
    join(dist, 'backends', 'wasm', 'kernels.wasm.d.ts'),
    'declare const kernels: WebAssembly.Module;\nexport default kernels;\n',
  );
}

const bytes = Object.values(metafile.outputs).reduce((sum, output) => sum + output.bytes, 0);
console.log(
  `built ${relative(process.cwd(), dist) || 'dist'}: ${library.length} library entries, the command line, the experiments` +
    `${types ? ', declarations' : ''}, ${Math.round(bytes / 1024)} KiB of JavaScript ` +
    `in ${((performance.now() - started) / 1000).toFixed(2)} s`,
);
