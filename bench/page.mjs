/**
 * Compares training steps on wasm in a page, engines in turn: memgrad, TensorFlow.js and jax-js on
 * one thread, and then, on a page that may share memory, with a thread for each processor.
 */
import { readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { browserOfTests, closeBrowsers, pageChunks } from './lib/page.mjs';
import { loadRequest } from './lib/request.mjs';
import { median, printTable, spread } from './lib/table.mjs';
import { workloads } from './lib/workload.mjs';

/** The steps whose losses are compared with bench/reference.json. */
const checked = [0, 3];
const tensorflow = new URL('node_modules/@tensorflow/tfjs-backend-wasm/dist/', import.meta.url);
const ANYTHING = "default-src * 'unsafe-inline' 'unsafe-eval' data: blob:";

/** Compares the engines on each workload and returns the raw numbers. */
export async function page({ workloads: names = ['small', 'step', 'copy'], rounds, quick }) {
  const { visit, ISOLATED } = await browserOfTests();
  const files = ['simd', 'threaded-simd'].map((kind) => `tfjs-backend-wasm-${kind}.wasm`);
  const chunks = await pageChunks();
  for (const name of files) chunks.push({ name, bytes: await readFile(new URL(name, tensorflow)) });
  const expected = JSON.parse(await readFile(new URL('reference.json', import.meta.url), 'utf8'));
  const results = {};
  try {
    for (const threads of [1, availableParallelism()]) {
      for (const name of names) {
        const specs = [
          { engine: 'memgrad', backend: 'wasm', threads, title: 'memgrad wasm' },
          { engine: 'tensorflow', backend: 'wasm', threads, title: 'TensorFlow.js wasm' },
          { engine: 'jax', backend: 'wasm', title: 'jax-js wasm' },
        ];
        const request = await loadRequest(name);
        const turns = name === 'small' && !quick ? 20 * rounds : rounds;
        const warm = name === 'small' ? 50 : checked.at(-1) + 1;
        const visited = await visit(
          chunks,
          ANYTHING,
          ['steps', { specs, request, warm, rounds: turns }],
          { headers: threads > 1 ? ISOLATED : {}, minutes: 30 },
        );
        for (const problem of visited.problems) console.error(`page: ${problem}`);
        const title = `Chromium ${visited.version}, ${threads === 1 ? 'one thread' : `${threads} threads`}: one training step, ${workloads[name].title}; ${turns} rounds`;
        results[`${name}, ${threads}`] = report(title, specs, visited.result, expected[name]);
      }
    }
  } finally {
    await closeBrowsers();
  }
  return results;
}

/** Compares the losses, prints the times and returns the raw numbers. */
function report(title, specs, results, expected) {
  const rows = results.map(({ losses, ms, firstMs }, i) => {
    const error = Math.max(...checked.map((at, j) => Math.abs(losses[at] / expected[j] - 1)));
    if (!(error <= 1e-3)) throw new Error(`${specs[i].title}: losses ${losses}, not ${expected}.`);
    const ratio = ms.map((each, round) => each / results[0].ms[round]);
    return { engine: specs[i].title, ms, firstMs, ratio, error };
  });
  const best = Math.min(...rows[0].ms);
  printTable(
    title,
    ['engine', 'ms: median (range)', 'first ms', 'times memgrad (best)', 'loss off by'],
    rows.map(({ engine, ms, firstMs, ratio, error }) => [
      engine,
      spread(ms, median(ms) < 20 ? 2 : 0),
      firstMs.toFixed(0),
      `${median(ratio).toFixed(2)} (${(Math.min(...ms) / best).toFixed(2)})`,
      error.toExponential(0),
    ]),
  );
  return rows;
}
