/**
 * Compares engines on the GPU, over WebGPU in Node, and PyTorch on CUDA where it is installed. One
 * engine after another has the GPU for itself, since a large model may take most of its memory.
 */
import { readFile } from 'node:fs/promises';
import { findAdapter } from './lib/adapter.mjs';
import { difference, errorOfRows, matrix } from './lib/matrices.mjs';
import { gpuEngines, kernelTimer } from './lib/peers.mjs';
import { loadRequest } from './lib/request.mjs';
import { median, printTable, spread } from './lib/table.mjs';
import { decode, encode } from './lib/text.mjs';
import { workloads } from './lib/workload.mjs';
import { checkedPeer, referenceFile } from './step.mjs';

/** What runs without `--workload`; 'products' are matrix products. */
const usual = {
  gpu: ['products', 'step', 'copy', 'medium'],
  program: ['products', 'step', 'copy'],
};
/** The sizes of products. A program that computes instead of a GPU takes minutes for larger ones. */
const sizes = { gpu: [256, 512, 1024, 2048, 4096], program: [256, 512] };
/** Kernels in the table of `--detail`. */
const shown = 40;
/** The time of a round of products, in ms, which is long against reading a value. */
const target = 200;

/**
 * Compares the engines on each workload and returns the raw numbers. With `detail`, also times each
 * of memgrad's kernels.
 */
export async function gpu({ engines, workloads: wanted, rounds, quick, detail, swiftshader }) {
  const adapter = findAdapter(swiftshader);
  const kind = adapter.hardware ? 'gpu' : 'program';
  console.log(`WebGPU on ${adapter.name}`);
  if (!adapter.hardware) {
    console.log('This adapter is a program on the processor, so the times below mean nothing.');
  }
  const found = gpuEngines(engines, adapter);
  const results = { adapter: adapter.name };
  for (const name of wanted ?? usual[kind]) {
    results[name] =
      name === 'products'
        ? await products(found, quick && kind === 'program' ? [256] : sizes[kind], rounds)
        : await steps(found, name, rounds);
    if (results[name][0].failure !== undefined)
      process.exitCode = 1; // memgrad's
    else if (detail && name !== 'products') results[name][0].kernels = await kernels(name, adapter);
  }
  return results;
}

/** Runs `use` with each engine in turn, and returns the results, which `use` fills in. */
async function each(engines, use) {
  const results = [];
  for (const { name, start } of engines) {
    const peer = start();
    const result = { engine: name };
    results.push(result);
    try {
      await use(peer, result);
    } catch ({ message }) {
      console.log(`\n${message}\n(left out)`);
      result.failure = message;
    } finally {
      await peer.close();
    }
  }
  return results;
}

async function products(engines, sizes, most) {
  const rounds = Math.min(most, 5);
  const pairs = sizes.map((n) => {
    const values = [matrix(n, 1), matrix(n, 2)];
    return { n, values, texts: values.map(encode) };
  });
  const firsts = new Map();
  const results = await each(engines, async (peer, result) => {
    result.gflops = Object.fromEntries(sizes.map((n) => [n, []]));
    for (const { n, values, texts } of pairs) {
      await peer.ask({ do: 'matrices', n, values: texts });
      const { values: text } = await peer.ask({ do: 'multiply', repeats: 1, show: true });
      const product = decode(text);
      if (!firsts.has(n)) firsts.set(n, product);
      const error = Math.max(errorOfRows(values, product, n), difference(firsts.get(n), product));
      if (!(error < 1e-3)) {
        throw new Error(`${peer.name}: its product of n = ${n} is off by ${error}; not timed.`);
      }
      const { ms } = await peer.ask({ do: 'multiply', repeats: 3 });
      const { ms: warm } = await peer.ask({ do: 'multiply', repeats: repeatsFor(ms / 3) });
      const repeats = repeatsFor(warm / repeatsFor(ms / 3));
      for (let round = 0; round < rounds; round++) {
        const { ms } = await peer.ask({ do: 'multiply', repeats });
        result.gflops[n].push((2 * n ** 3 * repeats) / ms / 1e6);
      }
    }
  });
  const digits = sizes.length > 2 ? 0 : 2;
  printTable(
    `Matrix product, GFLOP/s: median (range) of ${rounds} rounds`,
    ['engine', ...sizes.map((n) => `n = ${n}`)],
    results.map(({ engine, gflops }) => [engine, ...sizes.map((n) => spread(gflops[n], digits))]),
  );
  return results;
}

function repeatsFor(msEach) {
  return Math.max(1, Math.round(target / msEach));
}

async function steps(engines, name, rounds) {
  const expected = JSON.parse(await readFile(referenceFile, 'utf8'))[name];
  const request = await loadRequest(name);
  const results = await each(engines, async (peer, result) => {
    Object.assign(result, await checkedPeer(peer, request, expected), { counts: [] });
    for (let round = 0; round < rounds; round++) {
      const { ms, counts } = await peer.ask({ do: 'step' });
      result.ms.push(ms);
      if (counts) result.counts.push(counts);
    }
  });
  const timed = results.filter(({ failure }) => failure === undefined);
  if (timed.length === 0) return results;
  const [base] = timed;
  printTable(
    `One training step, ${workloads[name].title}; ${rounds} rounds`,
    ['engine', 'ms: median (range)', 'first ms', `times ${base.engine} (best)`, 'loss off by'],
    timed.map(({ engine, ms, firstMs, error }) => [
      engine,
      spread(ms, 1),
      firstMs.toFixed(0),
      `${(median(ms) / median(base.ms)).toFixed(2)} (${(Math.min(...ms) / Math.min(...base.ms)).toFixed(2)})`,
      error.toExponential(0),
    ]),
  );
  for (const { engine, counts } of timed) {
    if (counts.length > 0) console.log(`${engine}, in each step: ${inWords(counts)}`);
  }
  return results;
}

/** Times each kernel of memgrad's step, prints the slowest, and returns the kernels of each step. */
async function kernels(workload, adapter) {
  const peer = kernelTimer(adapter);
  const steps = (await peer.ask({ do: 'kernels', workload, steps: 5 })).kernels;
  await peer.close();
  const total = new Map();
  for (const { key, groups, ms } of steps.flat()) {
    const name = key.length > 84 ? `${key.slice(0, 83)}…` : key;
    const kind = `${name} (${groups})`;
    const { count = 0, sum = 0 } = total.get(kind) ?? {};
    total.set(kind, { count: count + 1 / steps.length, sum: sum + ms / steps.length });
  }
  const rows = [...total].sort(([, a], [, b]) => b.sum - a.sum);
  const all = rows.reduce((ms, [, { sum }]) => ms + sum, 0);
  printTable(
    `Kernels of a step, ${workloads[workload].title}: ${steps[0].length} launches, ${all.toFixed(2)} ms; the slowest ${Math.min(rows.length, shown)} of ${rows.length}`,
    ['kernel (workgroups)', 'launches', 'ms', 'µs each', 'share'],
    rows
      .slice(0, shown)
      .map(([kind, { count, sum }]) => [
        kind,
        Math.round(count),
        sum.toFixed(3),
        ((1000 * sum) / count).toFixed(1),
        `${((100 * sum) / all).toFixed(1)} %`,
      ]),
  );
  return steps;
}

/** The numbers of the steps, each once if all steps have the same. */
function inWords(steps) {
  const of = (key) => {
    const values = steps.map((counts) => counts[key]);
    const [least, most] = [Math.min(...values), Math.max(...values)];
    return least === most ? `${least}` : `${least}–${most}`;
  };
  return `dispatches ${of('dispatches')}, submits ${of('submits')}, reads ${of('reads')}, bytes read ${of('bytesRead')}`;
}
