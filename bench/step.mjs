/** Times one whole training step - forward, backward, clipping, Adam - in each engine. */
import { readFile, writeFile } from 'node:fs/promises';
import { startPeers } from './lib/peers.mjs';
import { loadRequest } from './lib/request.mjs';
import { median, printTable, spread } from './lib/table.mjs';
import { prepare, useBackend, workloads } from './lib/workload.mjs';

/** The losses that all engines are compared with, by workload. */
export const referenceFile = new URL('reference.json', import.meta.url);
const tolerance = 1e-3;
/** The steps, counted from 0, whose losses are compared. */
const checked = [0, 3];

/**
 * Computes the losses that all engines are compared with, on memgrad's `cpu` (for `medium`,
 * which takes `cpu` hours and wasm more than its memory, on `wasm` with checkpoints), and writes
 * them to the file.
 */
export async function takeReference(names = ['step', 'copy', 'small']) {
  const known = JSON.parse(await readFile(referenceFile, 'utf8').catch(() => '{}'));
  for (const name of names) {
    const large = name === 'medium';
    const backend = await useBackend(large ? 'wasm' : 'cpu');
    const { loop } = prepare(workloads[name], backend, undefined, { checkpointSegments: large });
    const losses = [];
    for (let i = 0; i <= checked.at(-1); i++) losses.push((await loop.next()).value.loss);
    known[name] = checked.map((i) => losses[i]);
    console.log(`${name}: ${known[name].join(', ')}`);
  }
  const lines = Object.entries(known).map(
    ([name, losses]) => `  "${name}": [${losses.join(', ')}]`,
  );
  await writeFile(referenceFile, `{\n${lines.join(',\n')}\n}\n`);
}

/** Compares the engines on each workload and returns the raw numbers. */
export async function step({
  backends,
  engines,
  workloads: names = ['step', 'copy'],
  rounds,
  against,
  threads,
}) {
  const results = {};
  for (const name of names) {
    results[name] = await compare(name, { backends, engines, rounds, against, threads });
  }
  return results;
}

async function compare(name, { backends, engines, rounds, against, threads }) {
  const expected = JSON.parse(await readFile(referenceFile, 'utf8'))[name];
  const request = await loadRequest(name);
  const peers = [];
  const results = [];
  for (const peer of startPeers(backends, engines, { against, threads })) {
    try {
      results.push(await checkedPeer(peer, request, expected));
      peers.push(peer);
    } catch (error) {
      console.log(`\n${error.message}\n(left out)`);
      peer.close();
    }
  }
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < peers.length; i++) {
      const at = (i + round) % peers.length; // rotates the order, so no engine always follows the same one
      const { ms, rss } = await peers[at].ask({ do: 'step' });
      results[at].ms.push(ms);
      results[at].rss = rss;
    }
  }
  for (const peer of peers) peer.close();

  for (const result of results) {
    result.ratio = result.ms.map((ms, round) => ms / results[0].ms[round]);
  }
  printTable(
    `One training step, ${workloads[name].title}; ${rounds} rounds`,
    [
      'engine',
      'ms: median (range)',
      'first ms',
      `times ${results[0]?.engine} (best)`,
      'loss off by',
      'RSS',
    ],
    results.map(({ engine, ms, firstMs, ratio, error, rss }) => [
      engine,
      spread(ms),
      firstMs.toFixed(0),
      `${median(ratio).toFixed(2)} (${(Math.min(...ms) / Math.min(...results[0].ms)).toFixed(2)})`,
      error.toExponential(0),
      rss ? `${Math.round(rss / 2 ** 20)} MiB` : '-',
    ]),
  );
  return { expected, results };
}

/**
 * Loads the model into an engine and checks its losses in the first steps, which also warm it up.
 * Throws if they differ from the reference.
 */
export async function checkedPeer(peer, request, expected) {
  await peer.ask(request);
  const losses = [];
  let firstMs;
  for (let at = 0; at <= checked.at(-1); at++) {
    const { loss, ms } = await peer.ask({ do: 'step' });
    losses.push(loss);
    firstMs ??= ms;
  }
  const error = Math.max(...checked.map((at, j) => Math.abs(losses[at] / expected[j] - 1)));
  if (!(error <= tolerance)) {
    throw new Error(
      `${peer.name}: losses ${losses.join(', ')}, but the reference has ${expected.join(' and ')}; not timed.`,
    );
  }
  return { engine: peer.name, losses, error, firstMs, ms: [], rss: 0 };
}
