/**
 * The benchmarks: npm run bench -- [matmul] [step] [memory] [profile] [functions] [page] [browser] [gpu] [tiles] [size] [bptt] [options]
 * Without a name it runs matmul, step and memory. See docs/benchmarks.md.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { buildCommit } from './lib/against.mjs';
import { style } from './lib/table.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const root = dirname(here);

const benches = {
  matmul: (options) => import('./matmul.mjs').then(({ matmul }) => matmul(options)),
  step: (options) => import('./step.mjs').then(({ step }) => step(options)),
  memory: (options) => import('./memory.mjs').then(({ memory }) => memory(options)),
  page: (options) => import('./page.mjs').then(({ page }) => page(options)),
  browser: (options) => import('./browser.mjs').then(({ browser }) => browser(options)),
  gpu: (options) => import('./gpu.mjs').then(({ gpu }) => gpu(options)),
  tiles: (options) => import('./tiles.mjs').then(({ tileShapes }) => tileShapes(options)),
  size: () => import('./size.mjs').then(({ size }) => size()),
  bptt: (options) => import('./bptt.mjs').then(({ bptt }) => bptt(options)),
  functions: () => import('./functions.mjs').then(({ functionErrors }) => functionErrors()),
  profile: (options) => import('./profile.mjs').then(({ profileAll }) => profileAll(options)),
  /** Not a benchmark: recomputes the losses of bench/reference.json with memgrad's cpu. */
  reference: ({ workloads }) => import('./step.mjs').then((m) => m.takeReference(workloads)),
};
const usual = ['matmul', 'step', 'memory'];

const help = `npm run bench -- [${Object.keys(benches).join('] [')}] [options]

Without a name: ${usual.join(', ')}.
  --backend A,B    backends of memgrad (default: wasm)
  --engine A,B     engines to compare (default: all that are installed)
  --workload A,B   step, copy, medium and small (default: step,copy; profile: step; gpu: products,step,copy,
                   and medium on a GPU)
  --against COMMIT step: this memgrad and the one of a commit, in turn, and no other engine
  --threads N      profile: threads of wasm, and how much of each kernel they leave to one
  --threads N,M    step: memgrad on wasm with N and with M threads, and no other engine
  --quick          fewer repeats
  --rounds N       rounds, in each of which every engine runs once (default: 10; quick: 3)
  --markdown       tables as Markdown
  --detail         profile: matrix products and assemblies by size; gpu: each kernel of memgrad's step
  --swiftshader    browser, gpu, tiles: compute on the processor even if there is a GPU
  --plot FILE      bptt: an SVG of the peaks
  --json FILE      all raw numbers
  --no-build       use dist/ as it is`;

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    backend: { type: 'string' },
    engine: { type: 'string' },
    workload: { type: 'string' },
    against: { type: 'string' },
    json: { type: 'string' },
    plot: { type: 'string' },
    rounds: { type: 'string' },
    threads: { type: 'string' },
    markdown: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    detail: { type: 'boolean', default: false },
    swiftshader: { type: 'boolean', default: false },
    'no-build': { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
const unknown = positionals.find((name) => !Object.hasOwn(benches, name));
if (flags.help || unknown !== undefined) {
  if (unknown !== undefined) console.error(`bench: unknown benchmark '${unknown}'.\n`);
  console.log(help);
  process.exit(unknown === undefined ? 0 : 2);
}
const names = positionals.length > 0 ? positionals : usual;
const list = (text) => text?.split(',').filter(Boolean);

/** Runs npm in `cwd`; ends the benchmark if it fails. */
function npm(args, cwd) {
  const { status } = spawnSync('npm', args, {
    cwd,
    stdio: ['ignore', 'ignore', 'inherit'],
    shell: process.platform === 'win32',
  });
  if (status !== 0) {
    console.error(`bench: 'npm ${args.join(' ')}' failed.`);
    process.exit(status ?? 1);
  }
}

const onlyMemgrad =
  flags.against || flags.threads || list(flags.engine)?.every((name) => name === 'memgrad');
const needsPeers =
  names.some((name) => ['page', 'browser', 'size'].includes(name)) ||
  (!onlyMemgrad && names.some((name) => ['matmul', 'step', 'gpu'].includes(name)));
const { devDependencies } = JSON.parse(await readFile(join(here, 'package.json'), 'utf8'));
const isInstalled = (name) => existsSync(join(here, 'node_modules', name));
if (needsPeers && !Object.keys(devDependencies).every(isInstalled)) {
  console.log('bench: installing the engines to compare with (once, into bench/node_modules).');
  npm(['ci', '--ignore-scripts', '--no-audit', '--no-fund'], here);
}
if (!flags['no-build']) npm(['run', 'build', '--', '--no-types'], root);

const { backendNames } = await import('../dist/index.js');
const options = {
  backends: list(flags.backend) ?? ['wasm'],
  engines: list(flags.engine),
  workloads: list(flags.workload),
  quick: flags.quick,
  rounds: Number(flags.rounds ?? (flags.quick ? 3 : 10)),
  detail: flags.detail,
  threads: list(flags.threads)?.map(Number),
  swiftshader: flags.swiftshader,
  plot: flags.plot,
  against: flags.against && buildCommit(root, flags.against),
};
style.markdown = flags.markdown;
if (!Number.isSafeInteger(options.rounds) || options.rounds < 1) {
  console.error(`bench: --rounds takes a whole number >= 1, got ${flags.rounds}.`);
  process.exit(2);
}
const badThreads = options.threads?.find((n) => !Number.isSafeInteger(n) || n < 1);
if (badThreads !== undefined) {
  console.error(`bench: --threads takes whole numbers >= 1, got ${flags.threads}.`);
  process.exit(2);
}
const missing = options.backends.filter((name) => !backendNames.includes(name));
if (missing.length > 0) {
  console.error(`bench: memgrad has no backend '${missing[0]}', only ${backendNames.join(', ')}.`);
  process.exit(2);
}

const results = {};
for (const name of names) results[name] = await benches[name](options);
if (flags.json) {
  const { version, arch, platform } = process;
  const cpus = (await import('node:os')).cpus();
  const machine = { node: version, arch, platform, processors: cpus.length, model: cpus[0]?.model };
  const text = JSON.stringify({ date: new Date().toISOString(), machine, ...results }, null, 2);
  await writeFile(flags.json, `${text}\n`);
}
