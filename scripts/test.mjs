// Bundles tests/**/*.test.ts into build/tests and runs them with uvu.
//   node scripts/test.mjs [part of a path] [--long]
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const self = fileURLToPath(import.meta.url);
const root = resolve(dirname(self), '..');
const args = process.argv.slice(2);

if (args[0] === '--run') await run(args.slice(1));
else await main(args);

/** In the child process: runs bundled test files, named relative to build/tests. */
async function run(names) {
  // A test that leaves early by process.exit(0), or never settles, must not look like a success.
  let finished = false;
  process.on('exit', (code) => {
    if (finished) return;
    console.error('the tests did not run to their end');
    process.exitCode = code || 1;
  });
  const uvu = await import('uvu/run');
  // uvu imports 'file:///' + file, so a leading slash has to go and odd characters be escaped.
  const suites = names.map((name) => ({
    name: name.replace(/\.mjs$/, '.ts'),
    file: encodeURI(join(root, 'build', 'tests', name).split(sep).join('/').replace(/^\//, '')),
  }));
  const empty = [];
  function* watched() {
    for (const [i, suite] of suites.entries()) {
      yield suite; // imported by uvu before it asks for the next one
      if (globalThis.UVU_QUEUE[i].length < 2) empty.push(suite.name);
    }
  }
  await uvu.run(watched());
  finished = true;
  if (empty.length > 0) {
    console.error(`no test in ${empty.join(', ')}: is a call of test.run() missing?`);
    process.exitCode = 1;
  }
}

async function main(argv) {
  const flags = argv.filter((arg) => arg.startsWith('-'));
  const unknown = flags.find((flag) => flag !== '--long');
  const [filter = '', ...rest] = argv.filter((arg) => !arg.startsWith('-'));
  if (unknown || rest.length > 0) {
    console.error(`unexpected argument ${unknown ?? rest[0]}`);
    console.error('usage: node scripts/test.mjs [part of a path] [--long]');
    process.exit(2);
  }

  const folder = join(root, 'tests');
  const found = existsSync(folder) ? await readdir(folder, { recursive: true }) : [];
  const tests = found
    .map((name) => name.split(sep).join('/'))
    .filter((name) => name.endsWith('.test.ts') && `tests/${name}`.includes(filter))
    .sort();
  if (tests.length === 0) {
    console.error(filter ? `no test file matches "${filter}"` : 'no test file in tests/');
    process.exit(1);
  }

  // Tests of the command line start dist/cli/main.js.
  const built = spawnSync(process.execPath, [join(root, 'scripts', 'build.mjs'), '--no-types'], {
    stdio: 'inherit',
  });
  if (built.status !== 0) process.exit(built.status ?? 1);

  const outdir = join(root, 'build', 'tests');
  await rm(outdir, { recursive: true, force: true });
  const { build } = await import('esbuild');
  const { wasmKernels } = await import('./kernels.mjs');
  await build({
    absWorkingDir: root,
    entryPoints: tests.map((name) => `tests/${name}`),
    outbase: 'tests',
    outdir: relative(root, outdir),
    outExtension: { '.js': '.mjs' },
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'es2022',
    packages: 'external',
    plugins: [wasmKernels],
    sourcemap: 'inline',
    logLevel: 'warning',
  }).catch(() => process.exit(1));

  const { status } = spawnSync(
    process.execPath,
    ['--enable-source-maps', self, '--run', ...tests.map((name) => name.replace(/\.ts$/, '.mjs'))],
    {
      cwd: root,
      stdio: 'inherit',
      env: flags.includes('--long') ? { ...process.env, MEMGRAD_LONG: '1' } : process.env,
    },
  );
  process.exit(status ?? 1);
}
