/**
 * Memory and time of backpropagation through 2 to 64 segments, with all activations kept and with
 * `checkpointSegments`: a table and a plot.
 */
import { writeFile } from 'node:fs/promises';
import {
  Key,
  memoryReport,
  peakMemory,
  resetPeakMemory,
  scope,
  treeLeaves,
  valueAndGrad,
} from '../dist/index.js';
import { createModel, presets } from '../dist/models/index.js';
import { createTask } from '../dist/tasks/index.js';
import { cutSegments, sequenceLoss } from '../dist/training/index.js';
import { printTable } from './lib/table.mjs';
import { useBackend } from './lib/workload.mjs';

const segmentLength = 16;
const batchSize = 4;
const counts = [2, 4, 8, 16, 32, 64];
/** RMT with dropout, which replays must reproduce. */
const sizes = {
  nLayer: 2,
  nHead: 4,
  dModel: 64,
  dHead: 16,
  dInner: 128,
  numMemTokens: 8,
  memLen: 1,
};

/**
 * Measures each backend, prints a table, and writes an SVG to `plot` if given. Returns the raw
 * numbers.
 */
export async function bptt({ backends, quick, plot }) {
  const results = [];
  for (const name of backends) {
    const backend = await useBackend(name);
    for (const count of counts) results.push(await measure(backend, count, quick ? 1 : 9));
  }
  const mib = (bytes) => (bytes / 2 ** 20).toFixed(2);
  printTable(
    `BPTT of RMT (2 layers, d 64, 8 memory tokens, dropout, batch ${batchSize}) through segments of ${segmentLength}: peak MiB, ms`,
    [
      'backend',
      'segments',
      'kept',
      'checkpointed',
      'ratio',
      'kept ms',
      'checkpointed ms',
      'time',
      'largest difference',
    ],
    results.map(({ backend, count, kept, again, difference }) => [
      backend,
      String(count),
      mib(kept.peak),
      mib(again.peak),
      (kept.peak / again.peak).toFixed(1),
      kept.ms.toFixed(0),
      again.ms.toFixed(0),
      `${(again.ms / kept.ms).toFixed(2)} times`,
      String(difference),
    ]),
  );
  if (plot) await writeFile(plot, svg(results.filter(({ backend }) => backend === backends[0])));
  return results;
}

async function measure(backend, count, repeats) {
  const length = (count * segmentLength) / 2;
  const task = createTask('copy', { length, symbols: 10, copies: 1 });
  const model = createModel('rmt', {
    ...presets.fast,
    ...sizes,
    nToken: task.vocabulary,
    dropout: 0.1,
    backend,
  });
  const segments = cutSegments(task.batch(Key.of(1), batchSize, 'train'), segmentLength);
  const differentiate = async (checkpointSegments) => {
    const options = { key: Key.of(2), checkpointSegments, backend };
    const lossOf = () => sequenceLoss(model, segments, batchSize, options).loss;
    const before = memoryReport().bytes;
    resetPeakMemory();
    const started = performance.now();
    const result = scope(() => valueAndGrad(lossOf, model.parameters())());
    const gradients = await Promise.all(treeLeaves(result).map((tensor) => tensor.data()));
    const ms = performance.now() - started;
    for (const tensor of treeLeaves(result)) tensor.dispose();
    return { peak: peakMemory() - before, ms, gradients };
  };
  // They alternate, and the best run of each counts, since disturbances only add time.
  const rounds = [];
  for (let i = 0; i <= repeats; i++) {
    rounds.push([await differentiate(false), await differentiate(true)]);
  }
  const [kept, again] = [0, 1].map((which) => {
    const warm = rounds.slice(1).map((round) => round[which]);
    return { peak: warm[0].peak, ms: Math.min(...warm.map(({ ms }) => ms)) };
  });
  const [{ gradients: expected }, { gradients: actual }] = rounds[0];
  model.dispose();
  const difference = Math.max(
    ...expected.map((values, i) =>
      values.reduce((most, value, j) => Math.max(most, Math.abs(value - actual[i][j])), 0),
    ),
  );
  return { backend: backend.name, count, kept, again, difference };
}

/** Plots peak memory over segments, both on logarithmic axes. */
function svg(results) {
  const [width, height, left, bottom] = [640, 360, 70, 48];
  const most = Math.max(...results.map(({ kept }) => kept.peak)) / 2 ** 20;
  const least = Math.min(...results.map(({ again }) => again.peak)) / 2 ** 20;
  const [from, to] = [Math.floor(Math.log2(least)), Math.ceil(Math.log2(most))];
  const x = (count) => left + ((Math.log2(count) - 1) / 5) * (width - left - 130);
  const y = (mib) =>
    height - bottom - ((Math.log2(mib) - from) / (to - from)) * (height - bottom - 24);
  const line = (field, colour, label) => {
    const points = results.map((row) => [x(row.count), y(row[field].peak / 2 ** 20)]);
    const [endX, endY] = points[points.length - 1];
    return [
      `<polyline fill="none" stroke="${colour}" stroke-width="2" points="${points.map(([a, b]) => `${a.toFixed(1)},${b.toFixed(1)}`).join(' ')}"/>`,
      ...points.map(
        ([a, b]) => `<circle cx="${a.toFixed(1)}" cy="${b.toFixed(1)}" r="3" fill="${colour}"/>`,
      ),
      `<text x="${(endX + 8).toFixed(1)}" y="${(endY + 4).toFixed(1)}" fill="${colour}">${label}</text>`,
    ];
  };
  const ticks = Array.from({ length: to - from + 1 }, (_, i) => 2 ** (from + i));
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="13">`,
    '<title>Peak memory of backpropagation over the number of segments</title>',
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    ...ticks.map(
      (mib) =>
        `<path d="M${left} ${y(mib).toFixed(1)}H${width - 130}" stroke="#ddd"/><text x="${left - 8}" y="${(y(mib) + 4).toFixed(1)}" text-anchor="end">${mib} MiB</text>`,
    ),
    ...results.map(
      ({ count }) =>
        `<text x="${x(count).toFixed(1)}" y="${height - bottom + 20}" text-anchor="middle">${count}</text>`,
    ),
    `<text x="${(left + width - 130) / 2}" y="${height - 8}" text-anchor="middle">segments</text>`,
    ...line('kept', '#b3261e', 'everything kept'),
    ...line('again', '#1b6e3c', 'checkpointed'),
    '</svg>',
    '',
  ].join('\n');
}
