/** Compares the shapes of tiles in which `webgpu` can compute a product. */
import { findAdapter } from './lib/adapter.mjs';
import { bundledForNode } from './lib/page.mjs';
import { Peer } from './lib/peer.mjs';
import { printTable } from './lib/table.mjs';

const tile = (rows, columns, depth, high, fours) =>
  [true, false].map((ahead) => ({ rows, columns, depth, perThread: [high, fours], ahead }));
const tiles = [
  ...tile(32, 64, 16, 4, 1),
  ...tile(32, 64, 32, 4, 1),
  ...tile(64, 64, 16, 4, 1),
  ...tile(64, 64, 16, 8, 1),
  ...tile(64, 64, 32, 8, 1),
  ...tile(64, 128, 16, 8, 1),
  ...tile(64, 128, 16, 8, 2),
  ...tile(128, 64, 16, 8, 2),
  ...tile(128, 128, 8, 8, 2),
  ...tile(128, 128, 16, 8, 2),
  ...tile(128, 128, 32, 8, 2),
  ...tile(128, 128, 16, 16, 1),
  ...tile(128, 256, 16, 8, 4),
];
/** Into how many parts k is split where it is long and the result small. */
const splits = [2, 4, 8];

const product = (m, n, k, transposeA = false, transposeB = false) => ({
  ...{ m, n, k, transposeA, transposeB },
  ...{ batch: [], batchStridesA: [], batchStridesB: [] },
});
const squares = (sizes) => sizes.map((n) => product(n, n, n));
const specs = {
  gpu: [
    ...squares([1024, 2048, 4096]),
    // Those of the step `medium`, forward and for the gradients of inputs and weights,
    product(4736, 512, 512),
    product(4736, 2048, 512),
    product(4736, 512, 2048),
    product(4736, 512, 2048, false, true),
    product(512, 2048, 4736, true),
    product(512, 512, 4736, true),
    // and of `step`.
    product(1088, 384, 128),
    product(1088, 128, 256),
    product(1088, 256, 128, false, true),
    product(128, 256, 1088, true),
  ],
  program: squares([256]),
};
/** The fastest that are printed. */
const shown = 8;

/** Times all tiles at all sizes, and returns the raw numbers. */
export async function tileShapes({ rounds, quick, swiftshader }) {
  const adapter = findAdapter(swiftshader);
  console.log(`WebGPU on ${adapter.name}`);
  const file = await bundledForNode('bench/engines/tiles.mjs', 'bench-tiles');
  const peer = new Peer('tiles', process.execPath, [file, ...adapter.options], adapter.env);
  const digits = adapter.hardware ? 0 : 2;
  const results = [];
  for (const spec of specs[adapter.hardware ? 'gpu' : 'program']) {
    const { m, n, k, transposeA, transposeB } = spec;
    const work = 2 * m * n * k;
    const repeats = adapter.hardware ? Math.min(400, Math.ceil((quick ? 3e10 : 1e11) / work)) : 1;
    const ask = async (plan) => {
      const { ms, plan: used } = await peer.ask({
        ...{ do: 'multiply', spec, plan, repeats },
        rounds: Math.min(rounds, 3),
      });
      return ms && { plan: used, gflops: work / ms / 1e6 };
    };
    const chosen = await ask();
    const parts = k >= 1024 && m * n <= 2 ** 20 ? [1, ...splits] : [1];
    const others = [];
    for (const each of tiles) {
      for (const count of parts) {
        const timed = await ask({ tile: each, parts: count });
        if (timed) others.push(timed);
      }
    }
    others.sort((a, b) => b.gflops - a.gflops);
    const size = `${m} x ${k}${transposeA ? ' (a transposed)' : ''} times ${k} x ${n}${transposeB ? ' (b transposed)' : ''}`;
    results.push({ spec, chosen, others });
    printTable(
      size,
      ['tile', 'GFLOP/s'],
      [
        [`chosen: ${name(chosen.plan)}`, chosen.gflops.toFixed(digits)],
        ...others.slice(0, shown).map(({ plan, gflops }) => [name(plan), gflops.toFixed(digits)]),
      ],
    );
  }
  await peer.close();
  return { adapter: adapter.name, results };
}

function name({ tile, parts }) {
  const { rows, columns, depth, perThread, ahead } = tile;
  const [high, fours] = perThread;
  const split = parts > 1 ? `, k in ${parts} parts` : '';
  return `${rows} x ${columns} x ${depth}, ${high} x ${4 * fours} a thread${ahead ? ', reads ahead' : ''}${split}`;
}
