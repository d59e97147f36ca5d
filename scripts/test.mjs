// Bundles tests/**/*.test.ts into build/tests and runs them with uvu, in as many processes at a time
// as there are cores, and one more for those that wait.
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
 * What starts first, the longest ahead, so that no core idles at the end. A file belongs to the first
 * entry that its name begins with: the files of a folder share one process, and with it a slow set-up,
 * such as a browser or the installed tarball, or the engine's compiled code. All others have a
 * process each, above all those that change or count what a process has once: its default backend,
 * its folder, its memory.
 */
const processes = [
  'playground/',
  'browser/',
  'backends/webgpu.test',
  'package/',
  'documentation',
  'cli/demo',
  'autograd/leaks',
  'cli/together',
  'cli/ends',
  'cli/runs',
  'backends/webgpu-kernels',
  'backends/webgpu-faults',
  'backends/webgpu-chains',
  'autograd/gradients',
  'cli/commands',
  'autograd/operations', // on the default backend
  'autograd/', // on cpu, which helpers.ts makes the default
  'runs/resume-text',
  'runs/memory',
  'experiments/reproduce',
  'experiments/parity/hostile',
  'runs/resume.test',
  'backends/webgpu-matmul',
  'explain/rules',
  'safetensors/safetensors',
];
/** The files that wait for pages or for commands. */
const waiting = /^(browser|cli|documentation|package|playground)/;
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

/** Groups the files by process, in the order in which they start. */
function groups(tests) {
  const byProcess = new Map(processes.map((part) => [part, []]));
  for (const name of tests) {
    const part = processes.find((part) => name.startsWith(part)) ?? name;
    byProcess.set(part, [...(byProcess.get(part) ?? []), name]);
  }
  return [...byProcess.values()].filter((files) => files.length > 0);
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
  const work = async (takes = () => true) => {
    for (let at = queue.findIndex(takes); at >= 0; at = queue.findIndex(takes)) {
      const [files] = queue.splice(at, 1);
      const { output, results, seconds } = await runFiles(files, env, running);
      finished.push(...results);
      const sum = (field) => results.reduce((count, result) => count + result[field], 0);
      if (alone || sum('passed') < sum('total')) process.stdout.write(`${output}\n`);
      const names = files.map((name) => `${name}.ts`).join(', ');
      console.log(
        `${names}: ${sum('passed')} of ${sum('total')} passed in ${seconds.toFixed(1)} s`,
      );
    }
  };
  // Another process runs files that often wait. One more of those that compute would slow all down.
  const cores = Array.from({ length: availableParallelism() }, () => work());
  await Promise.all([...cores, work(([name]) => waiting.test(name))]);
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
  const limit = (long ? 120 : 20) * MINUTE;
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
      resolve({ output, seconds, results: outcomes(files, output, code, ended) });
    };
    child.on('close', end);
    // A process that it left behind may hold its output open.
    child.on('exit', (code, signal) => setTimeout(end, 5000, code, signal).unref());
  });
}

function kill(child) {
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    child.kill('SIGKILL');
  }
}

/**
 * Reads uvu's totals of each file. A file without them counts as a failure, and so does the last one
 * that began if the process failed although all tests passed.
 */
function outcomes(files, output, code, ended) {
  const plain = stripVTControlCharacters(output);
  const begins = files.map((name) => plain.indexOf(`\n${name}.ts\n`));
  const results = files.map((name, i) => {
    if (begins[i] < 0) return failure(name, 'did not begin');
    const text = plain.slice(begins[i], begins[i + 1] > 0 ? begins[i + 1] : undefined);
    const [total, passed, skipped] = ['Total', 'Passed', 'Skipped'].map((what) =>
      Number([...text.matchAll(new RegExp(`^ *${what}: *(\\d+) *$`, 'gm'))].at(-1)?.[1]),
    );
    if (Number.isNaN(total)) return failure(name, `${ended}, without a summary`);
    if (total === 0) return failure(name, 'has no test: is a call of test.run() missing?');
    return { name, total, passed, skipped };
  });
  if (code !== 0 && results.every(({ total, passed }) => total === passed)) {
    results.push(failure(files.at(-1), `${ended}, though its tests had passed`));
  }
  return results;
}

/** One failure beside those of the tests of a file. */
function failure(name, why) {
  return { name, total: 1, passed: 0, skipped: 0, why };
}

function report(results) {
  const sum = (field) => results.reduce((count, result) => count + result[field], 0);
  const bad = results.filter(({ total, passed }) => passed < total);
  for (const { name, total, passed, why } of bad) {
    console.error(`${name}.ts: ${why ?? `${total - passed} of ${total} failed`}`);
  }
  const seconds = (performance.now() - started) / 1000;
  console.log(
    `\n  Total:     ${sum('total')}\n  Passed:    ${sum('passed')}\n  Skipped:   ${sum('skipped')}`,
  );
  console.log(`  Duration:  ${seconds.toFixed(1)} s\n`);
  process.exitCode = bad.length > 0 ? 1 : 0;
}
