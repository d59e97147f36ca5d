/** Checks whether training leaks: compares memory after 20 and after 2,000 steps. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { memoryReport } from '../dist/index.js';
import { printTable } from './lib/table.mjs';
import { prepare, useBackend, workloads } from './lib/workload.mjs';

const file = fileURLToPath(import.meta.url);
const [early, late] = [20, 2000];

/** Trains in a separate process for each backend and returns the raw numbers. */
export async function memory({ backends, quick }) {
  const last = quick ? 200 : late;
  const results = backends.map((backend) => {
    const { status, stdout } = spawnSync(
      process.execPath,
      ['--expose-gc', file, backend, String(last)],
      { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] },
    );
    if (status !== 0) throw new Error(`memory: the process of ${backend} ended with ${status}.`);
    return { backend, ...JSON.parse(stdout) };
  });
  const mib = (bytes) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
  printTable(
    `Memory of ${workloads.small.title}, after ${early} and after ${last} steps`,
    ['backend', 'live buffers', 'live bytes', 'JS heap', 'outside it', 'RSS', 'kept'],
    results.map(({ backend, before, after }) => [
      backend,
      `${before.buffers} / ${after.buffers}`,
      `${before.bytes} / ${after.bytes}`,
      `${mib(before.heapUsed)} / ${mib(after.heapUsed)}`,
      `${mib(before.external)} / ${mib(after.external)}`,
      `${mib(before.rss)} / ${mib(after.rss)}`,
      before.bytes === after.bytes && before.buffers === after.buffers ? 'nothing' : 'SOMETHING',
    ]),
  );
  return results;
}

/** Runs in the child: trains, and prints the live memory at both times. */
async function measure(name, last) {
  const backend = await useBackend(name);
  const { loop } = prepare(workloads.small, backend);
  const take = () => {
    globalThis.gc?.();
    const { buffers, bytes } = memoryReport();
    const { rss, heapUsed, external } = process.memoryUsage();
    return { buffers, bytes, rss, heapUsed, external };
  };
  let before;
  for (let step = 1; step <= last; step++) {
    await loop.next();
    if (step === early) before = take();
  }
  console.log(JSON.stringify({ before, after: take() }));
}

if (process.argv[1] === file) await measure(process.argv[2], Number(process.argv[3]));
