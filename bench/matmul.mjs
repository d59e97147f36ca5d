/** Times products of square float32 matrices with one thread in each engine. */
import { difference, errorOfRows, matrix } from './lib/matrices.mjs';
import { startPeers } from './lib/peers.mjs';
import { median, printTable, spread } from './lib/table.mjs';
import { decode, encode } from './lib/text.mjs';

const sizes = [128, 256, 512, 1024];

/** Compares the engines and returns the raw numbers. */
export async function matmul({ backends, engines, rounds: turns }) {
  const peers = startPeers(backends, engines);
  const rounds = 2 * turns;
  const target = 60; // target ms per timing: short, so engines share disturbances
  const results = {};
  for (const n of sizes) {
    const values = [matrix(n, 1), matrix(n, 2)];
    const found = peers.map((peer) => ({ engine: peer.name, gflops: [] }));
    const repeats = [];
    let first;
    for (const [i, peer] of peers.entries()) {
      await peer.ask({ do: 'matrices', n, values: values.map(encode) });
      const { values: text } = await peer.ask({ do: 'multiply', repeats: 1, show: true });
      const product = decode(text);
      first ??= product;
      found[i].error = Math.max(errorOfRows(values, product, n), difference(first, product));
      if (!(found[i].error < 1e-4)) {
        throw new Error(`${peer.name}: its product of n = ${n} is off by ${found[i].error}.`);
      }
      const { ms: once } = await peer.ask({ do: 'multiply', repeats: 3 });
      const { ms } = await peer.ask({ do: 'multiply', repeats: repeatsFor(once / 3, target / 2) });
      const each = ms / repeatsFor(once / 3, target / 2);
      repeats.push(repeatsFor(each, target));
    }
    for (let round = 0; round < rounds; round++) {
      for (let i = 0; i < peers.length; i++) {
        const at = (i + round) % peers.length;
        const { ms } = await peers[at].ask({ do: 'multiply', repeats: repeats[at] });
        found[at].gflops.push((2 * n ** 3 * repeats[at]) / ms / 1e6);
      }
    }
    for (const result of found) {
      result.ratio = result.gflops.map((gflops, round) => found[0].gflops[round] / gflops);
    }
    results[n] = found;
  }
  for (const peer of peers) peer.close();

  const table = (title, cell) =>
    printTable(
      title,
      ['engine', ...sizes.map((n) => `n = ${n}`)],
      peers.map((peer, i) => [peer.name, ...sizes.map((n) => cell(results[n][i]))]),
    );
  table(`Matrix product, GFLOP/s: median (range) of ${rounds} rounds`, ({ gflops }) =>
    spread(gflops, 1),
  );
  const best = ({ gflops }) => Math.max(...gflops);
  printTable(
    `Speed of ${peers[0].name} relative to: median of the rounds (best round against best round)`,
    ['engine', ...sizes.map((n) => `n = ${n}`)],
    peers.slice(1).map((peer, i) => [
      peer.name,
      ...sizes.map((n) => {
        const [own, other] = [results[n][0], results[n][i + 1]];
        return `${median(other.ratio).toFixed(2)} (${(best(own) / best(other)).toFixed(2)})`;
      }),
    ]),
  );
  return results;
}

function repeatsFor(msEach, target) {
  return Math.max(1, Math.round(target / msEach));
}
