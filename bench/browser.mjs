/**
 * Compares memgrad's `webgl` in a browser with TensorFlow.js's and with plain gpu.js, all in one
 * page.
 */
import { existsSync, readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { isHardware } from './lib/adapter.mjs';
import { difference, errorOfRows, matrix } from './lib/matrices.mjs';
import { browserOfTests, bundled, closeBrowsers, pageChunks } from './lib/page.mjs';
import { loadRequest } from './lib/request.mjs';
import { median, printTable, spread } from './lib/table.mjs';
import { encode } from './lib/text.mjs';

const sizes = [128, 256, 512];
const own = { engine: 'memgrad', backend: 'webgl', title: 'memgrad webgl' };
const tensorflow = { engine: 'tensorflow', backend: 'webgl', title: 'TensorFlow.js webgl' };
const plain = { engine: 'gpujs', title: 'gpu.js, a plain kernel', most: 4 };
const webgpu = { engine: 'memgrad', backend: 'webgpu', title: 'memgrad webgpu' };
/** The steps whose losses are compared with bench/reference.json. */
const checked = [0, 3];

/**
 * Runs all comparisons and returns the raw numbers. `swiftshader` computes on the processor even if
 * there is a GPU.
 */
export async function browser({ rounds, swiftshader }) {
  const { onPage, adapters } = await pageOn(swiftshader || !mayHaveGpu() ? 'swiftshader' : 'own');
  const { webgl, webgpu: onWebGPU } = adapters;
  const second = onWebGPU ? `WebGPU on ${onWebGPU}` : 'no WebGPU, so it is left out';
  console.log(`In the browser: WebGL on ${webgl}; ${second}`);
  try {
    return {
      adapters,
      products: await products(onPage, rounds, onWebGPU !== null),
      step: await step(onPage, Math.min(rounds, 5)),
      start: await start(),
    };
  } finally {
    await closeBrowsers();
  }
}

/**
 * Whether there is a GPU driver. On Linux, a browser that must use a GPU restarts forever if there
 * is none.
 */
function mayHaveGpu() {
  if (process.platform !== 'linux') return true;
  const devices = existsSync('/dev/dri') ? readdirSync('/dev/dri') : [];
  const files = ['/dev/nvidia0', '/dev/nvidiactl', '/dev/dxg'];
  return devices.some((name) => name.startsWith('render')) || files.some(existsSync);
}

/**
 * Returns the adapters of a browser's WebGL and WebGPU, and a function that calls the `main` of
 * engines/page.mjs on a new page: on the machine's `own` GPU, or on `swiftshader` if the browser
 * can't use that.
 */
async function pageOn(gpu) {
  const [{ visit, WITH_EVAL }, chunks] = await Promise.all([browserOfTests(), pageChunks()]);
  const asked = visit(chunks, WITH_EVAL, ['adapters'], { gpu, minutes: 1 });
  const { result: adapters } =
    gpu === 'own' ? await asked.catch(() => ({ result: {} })) : await asked;
  if (gpu === 'own' && !isHardware(adapters.webgl)) return pageOn('swiftshader');
  const onPage = async (argument) => {
    const { result, problems } = await visit(chunks, WITH_EVAL, argument, { gpu });
    for (const problem of problems) console.error(`page: ${problem}`);
    return result;
  };
  return { onPage, adapters };
}

async function products(onPage, rounds, hasWebGPU) {
  const specs = [own, tensorflow, ...(hasWebGPU ? [webgpu] : []), plain];
  const values = sizes.map((n) => [matrix(n, 1), matrix(n, 2)]);
  const pairs = sizes.map((n, i) => ({ n, a: encode(values[i][0]), b: encode(values[i][1]) }));
  const results = await onPage(['products', { specs, pairs, rounds, target: 100 }]);
  const timed = {};
  for (const [i, n] of sizes.entries()) {
    const product = (index) => Float32Array.from(results[n][index].values);
    timed[n] = specs.map(({ title }, index) => {
      const error = Math.max(
        errorOfRows(values[i], product(index), n),
        difference(product(0), product(index)),
      );
      if (!(error < 1e-3)) throw new Error(`${title}: its product of n = ${n} is off by ${error}.`);
      const { ms } = results[n][index];
      const ratio = ms.map((each, round) => each / results[n][0].ms[round]);
      return { engine: title, ms, ratio, error };
    });
  }
  const head = ['engine', ...sizes.map((n) => `n = ${n}`)];
  const table = (title, cell) =>
    printTable(
      title,
      head,
      specs.map(({ title: engine }, i) => [engine, ...sizes.map((n) => cell(timed[n][i], n))]),
    );
  table(`Matrix product, GFLOP/s: median (range) of ${rounds} rounds`, ({ ms }, n) =>
    spread(
      ms.map((each) => (2 * n ** 3) / each / 1e6),
      2,
    ),
  );
  table(
    'Time relative to memgrad webgl: median of the rounds (best against best)',
    ({ ms, ratio }, n) =>
      `${median(ratio).toFixed(2)} (${(Math.min(...ms) / Math.min(...timed[n][0].ms)).toFixed(2)})`,
  );
  return timed;
}

async function step(onPage, rounds) {
  const specs = [own, tensorflow];
  const expected = JSON.parse(await readFile(new URL('reference.json', import.meta.url), 'utf8'));
  const request = await loadRequest('step');
  const warm = checked.at(-1) + 1;
  const results = await onPage(['steps', { specs, request, warm, rounds }]);
  for (const [i, result] of results.entries()) {
    result.engine = specs[i].title;
    result.ratio = result.ms.map((ms, round) => ms / results[0].ms[round]);
    result.error = Math.max(
      ...checked.map((at, j) => Math.abs(result.losses[at] / expected.step[j] - 1)),
    );
    if (!(result.error <= 1e-3)) {
      throw new Error(`${result.engine}: losses ${result.losses}, expected ${expected.step}.`);
    }
  }
  printTable(
    `One training step of RMT (workload step), ${rounds} rounds`,
    ['engine', 'ms: median (range)', 'first ms', 'times memgrad webgl (best)', 'loss off by'],
    results.map(({ engine, ms, firstMs, ratio, error }) => [
      engine,
      spread(ms),
      firstMs.toFixed(0),
      `${median(ratio).toFixed(2)} (${(Math.min(...ms) / Math.min(...results[0].ms)).toFixed(2)})`,
      error.toExponential(0),
    ]),
  );
  return results;
}

/**
 * Measures what a page loads that imports the core, and what it loads later, on requesting `webgl`.
 */
async function start() {
  const { metafile } = await bundled({
    stdin: {
      contents: `import * as memgrad from '../dist/index.js'; console.log(memgrad);`,
      resolveDir: new URL('.', import.meta.url).pathname,
    },
  });
  const outputs = Object.entries(metafile.outputs);
  const first = new Set(
    outputs.filter(([, { entryPoint }]) => entryPoint === '<stdin>').map(([path]) => path),
  );
  for (const path of first) {
    for (const { path: next, kind } of metafile.outputs[path].imports) {
      if (kind === 'import-statement') first.add(next);
    }
  }
  const size = (mine) =>
    outputs
      .filter(([path]) => first.has(path) === mine)
      .reduce((sum, [, { bytes }]) => sum + bytes, 0);
  const ofGpuJs = [...first].some((path) =>
    Object.keys(metafile.outputs[path].inputs).some((input) => input.includes('gpu.js/')),
  );
  printTable(
    'Importing the core, minified',
    ['loaded', 'kB'],
    [
      ['at once', Math.round(size(true) / 1e3)],
      ['on requesting a backend other than wasm', Math.round(size(false) / 1e3)],
      ['of gpu.js at once', ofGpuJs ? 'some, which is an error' : 'nothing'],
    ],
  );
  if (ofGpuJs) process.exitCode = 1;
  return { atOnce: size(true), later: size(false), ofGpuJs };
}
