// Bundles tests/**/*.test.ts into build/tests and runs them with uvu, a process to a file and one
// process more than there are cores, since some wait for pages or for commands.
//   node scripts/test.mjs [part of a path] [--long]
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { stripVTControlCharacters } from 'node:util';
import { compileKernels, wasmKernels } from './kernels.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const outdir = join(root, 'build', 'tests');

/**
 * Folders whose files run in one process, since they share a slow set-up: installing the tarball, or
 * starting a browser, which takes three seconds of processor time.
 */
const together = ['package/', 'browser/', 'playground/'];
/** Those that take 7 seconds of processor time or more come first, the longest ahead, so that no core idles at the end. */
const longest = [
  'playground/',
  'browser/',
  'backends/webgpu.test',
  'package/',
  'documentation',
  'autograd/leaks',
  'cli/demo',
  'cli/runs',
  'cli/commands',
  'backends/webgpu-kernels',
  'backends/webgpu-faults',
  'backends/webgpu-chains',
  'cli/ends',
  'cli/together',
  'runs/resume-text',
  'autograd/gradients',
  'runs/memory',
  'experiments/reproduce',
  'experiments/parity/hostile',
  'runs/resume',
  'backends/webgpu-matmul',
  'explain/rules',
  'safetensors/',
];
/**
 * For files that compile kernels in their own process: malloc keeps what it has, which takes a fifth off
 * SwiftShader's time, since compiling allocates and frees at every turn.
 */
const onDawn = { MALLOC_TOP_PAD_: `${2 ** 26}`, MALLOC_TRIM_THRESHOLD_: `${2 ** 30}` };

const MINUTE = 60_000;

const { filter, long } = parse(process.argv.slice(2));
const names = await findTests(filter);
const has = (folder) => names.some((name) => name.startsWith(folder));
await Promise.all([compileKernels(), compileKernels(true)]); // once, before several build with them
await Promise.all([
  // Tests of the command line start dist/cli/main.js; those of the package pack all of dist.
  build('build.mjs', ...(has('package/') ? [] : ['--no-types'])),
  ...(has('playground/') ? [build('playground.mjs', '--build')] : []),
  bundle(names),
]);
const started = performance.now();
const results = await runAll(groups(names), {
  ...process.env,
  ...(long && { MEMGRAD_LONG: '1' }),
  ...(await browser()),
});
report(results);

function parse(args) {
  const flags = args.filter((arg) => arg.startsWith('-'));
  const unknown = flags.find((flag) => flag !== '--long');
  const [part = '', ...rest] = args.filter((arg) => !arg.startsWith('-'));
  if (unknown || rest.length > 0) {
    console.error(`unexpected argument ${unknown ?? rest[0]}`);
    console.error('usage: node scripts/test.mjs [part of a path] [--long]');
    process.exit(2);
  }
  return { filter: part, long: flags.length > 0 };
}

/**
 * Finds the test files whose path contains `part`, relative to tests/ and without their extension.
 */
async function findTests(part) {
  const folder = join(root, 'tests');
  const found = existsSync(folder) ? await readdir(folder, { recursive: true }) : [];
  const tests = found
    .map((name) => name.split(sep).join('/'))
    .filter((name) => name.endsWith('.test.ts') && `tests/${name}`.includes(part))
    .map((name) => name.replace(/\.ts$/, ''))
    .sort();
  if (tests.length > 0) return tests;
  console.error(part ? `no test file matches "${part}"` : 'no test file in tests/');
  process.exit(1);
}

/** Runs a script that builds something; its failure ends the tests. */
async function build(script, ...flags) {
  const file = join(root, 'scripts', script);
  const [code] = await once(
    spawn(process.execPath, [file, ...flags], { stdio: 'inherit' }),
    'exit',
  );
  if (code !== 0) process.exit(code ?? 1);
}

async function bundle(tests) {
  await rm(outdir, { recursive: true, force: true });
  const esbuild = await import('esbuild');
  await esbuild
    .build({
      absWorkingDir: root,
      entryPoints: [...tests.map((name) => `tests/${name}.ts`), 'tests/browser/find.ts'],
      outbase: 'tests',
      outdir: relative(root, outdir),
      outExtension: { '.js': '.mjs' },
      bundle: true,
      splitting: true,
      chunkNames: 'chunks/[name]-[hash]',
      format: 'esm',
      platform: 'node',
      target: 'es2022',
      packages: 'external',
      plugins: [wasmKernels],
      inject: ['src/default-backend.ts'], // tests import the engine directly, which has no backend
      sourcemap: 'inline',
      logLevel: 'warning',
    })
    .catch(() => process.exit(1));
}

/** Groups the files by process: one each, or one for a folder with a shared set-up. */
function groups(tests) {
  const byProcess = new Map();
  for (const name of tests) {
    const id = together.find((folder) => name.startsWith(folder)) ?? name;
    byProcess.set(id, [...(byProcess.get(id) ?? []), name]);
  }
  return [...byProcess].sort(([a], [b]) => rank(a) - rank(b)).map(([, files]) => files);
}

/**
 * Finds or installs the browser and Vulkan once, since two processes that install them would
 * conflict.
 */
async function browser() {
  const find = pathToFileURL(join(outdir, 'browser', 'find.mjs')).href;
  const { findBrowser, installVulkan } = await import(find);
  try {
    installVulkan();
    return { CHROME_PATH: findBrowser() };
  } catch {
    return {}; // tests that need one report what is missing
  }
}

/** The place of a file, or of a folder, in `longest`. */
function rank(id) {
  const place = longest.findIndex((part) => id.startsWith(part));
  return place < 0 ? longest.length : place;
}

async function runAll(queue, env) {
  const running = new Set();
  const stop = (signal, code) =>
    process.on(signal, () => {
      for (const child of running) kill(child);
      process.exit(code);
    });
  stop('SIGINT', 130);
  stop('SIGTERM', 143);
  stop('SIGHUP', 129);
  const alone = queue.length === 1; // a single file shows its whole output
  const finished = [];
  const work = async () => {
    for (let files = queue.shift(); files; files = queue.shift()) {
      const result = await runFiles(files, env, running);
      finished.push(result);
      const { output, total, passed, seconds } = result;
      if (alone || passed < total) process.stdout.write(`${output}\n`);
      console.log(`${list(files)}: ${passed} of ${total} passed in ${seconds.toFixed(1)} s`);
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() + 1 }, work));
  return finished;
}

/**
 * Runs `files` in one process and collects its output, so outputs of parallel processes don't mix.
 */
function runFiles(files, env, running) {
  const script = join(root, 'scripts', 'test-files.mjs');
  const child = spawn(process.execPath, ['--enable-source-maps', script, ...files], {
    cwd: root,
    env: {
      ...env,
      ...(files[0].includes('webgpu') && onDawn),
      ...(process.stdout.isTTY && { FORCE_COLOR: '1' }),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true, // a process group, which is killed together with its browsers
  });
  running.add(child);
  const begun = performance.now();
  const limit =
    (long ? 120 : files.length > 1 ? 20 : rank(files[0]) < longest.length ? 10 : 5) * MINUTE;
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    kill(child);
  }, limit);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      output += text;
    });
  }
  return new Promise((resolve) => {
    const end = (code, signal) => {
      clearTimeout(timer);
      running.delete(child);
      for (const stream of [child.stdout, child.stderr]) stream.destroy();
      const seconds = (performance.now() - begun) / 1000;
      const how = signal ? `by ${signal}` : `with code ${code}`;
      const ended = late ? `was killed after ${limit / MINUTE} minutes` : `ended ${how}`;
      resolve({ files, output, seconds, ...outcome(output, code, ended) });
    };
    child.on('close', end);
    // A process that it left behind may hold its output open.
    child.on('exit', (code, signal) => setTimeout(end, 5000, code, signal).unref());
  });
}

function list(files) {
  return files.map((name) => `${name}.ts`).join(', ');
}

function kill(child) {
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    child.kill('SIGKILL');
  }
}

/**
 * Reads uvu's totals. A process that ended without them, or failed although all tests passed,
 * counts as one more failure.
 */
function outcome(output, code, ended) {
  const plain = stripVTControlCharacters(output);
  const [total, passed, skipped] = ['Total', 'Passed', 'Skipped'].map((what) =>
    Number([...plain.matchAll(new RegExp(`^ *${what}: *(\\d+) *$`, 'gm'))].at(-1)?.[1]),
  );
  if (code === 0 && total > 0) return { total, passed, skipped };
  const failed = total > passed;
  const why = failed
    ? undefined
    : `${ended}, ${total > 0 ? 'though its tests had passed' : 'without a summary'}`;
  return {
    total: (total || 0) + (failed ? 0 : 1),
    passed: passed || 0,
    skipped: skipped || 0,
    why,
  };
}

function report(results) {
  const sum = (field) => results.reduce((count, result) => count + result[field], 0);
  const bad = results.filter(({ total, passed }) => passed < total);
  for (const { files, total, passed, why } of bad) {
    console.error(`${list(files)}: ${why ?? `${total - passed} of ${total} failed`}`);
  }
  const seconds = (performance.now() - started) / 1000;
  console.log(
    `\n  Total:     ${sum('total')}\n  Passed:    ${sum('passed')}\n  Skipped:   ${sum('skipped')}`,
  );
  console.log(`  Duration:  ${seconds.toFixed(1)} s\n`);
  process.exitCode = bad.length > 0 ? 1 : 0;
}
