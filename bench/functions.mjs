/**
 * The functions of one float on wasm: the largest error, in units in the last place, and the time
 * per value.
 */
import { loadBackend } from '../dist/index.js';
import { printTable } from './lib/table.mjs';

const functions = ['exp', 'log', 'sin', 'cos', 'tanh', 'sigmoid', 'erf'];
/** Every so many of the 2^32 floats are checked: a prime number, so that all kinds come up. */
const STRIDE = 1021;
const CHUNK = 2 ** 18;
const SIZE = 2 ** 14;
const bitsOf = (value) => new Uint32Array(Float32Array.of(value).buffer)[0];
/** Where functions have an end, a change of method or a special value; their neighbours come along. */
const edges = [
  ...[0, 2 ** -149, 2 ** -126, 2 ** -12, 0.9, 1, 2, 4, 20, 88, 88.72283, 87.33654, 103.97208],
  ...[Math.PI / 4, Math.PI / 2, Math.PI, 2 * Math.PI, 2 ** 20, 2 ** 24, 3.4028234e38, Infinity],
]
  .flatMap((value) => [value, -value])
  .flatMap((value) => [-2, -1, 0, 1, 2].map((step) => (bitsOf(value) + step) >>> 0));

/** The floats to check, in chunks. */
function* floats() {
  yield new Float32Array(Uint32Array.from(edges).buffer);
  for (let start = 0; start < 2 ** 32; start += CHUNK * STRIDE) {
    const length = Math.min(CHUNK, Math.ceil((2 ** 32 - start) / STRIDE));
    yield new Float32Array(Uint32Array.from({ length }, (_, i) => start + i * STRIDE).buffer);
  }
}

/** The error of a float32 in units in the last place of the right value, a double. */
function errorOf(came, right) {
  if (Number.isNaN(right)) return Number.isNaN(came) ? 0 : Infinity;
  const rounded = Math.fround(right);
  if (came === rounded && !Number.isFinite(rounded)) return 0;
  if (right === 0) return Object.is(came, right) ? 0 : Infinity;
  const exponent = Math.max(-126, Math.floor(Math.log2(Math.abs(right))));
  return Math.abs(came - right) / 2 ** (Math.min(exponent, 127) - 23);
}

/** Measures every function, prints the table and returns the numbers. */
export async function functionErrors() {
  const [wasm, cpu] = await Promise.all(['wasm', 'cpu'].map((name) => loadBackend(name)));
  const found = Object.fromEntries(
    functions.map((name) => [name, { error: 0, at: 0, ns: Infinity }]),
  );
  for (const values of floats()) {
    const [x, exact] = [wasm.upload(values), cpu.upload(Float64Array.from(values))];
    for (const name of functions) {
      const [came, right] = [wasm.unary(name, x), cpu.unary(name, exact)];
      const [results, expected] = [wasm.peek(came), cpu.peek(right)];
      for (let i = 0; i < values.length; i++) {
        const error = errorOf(results[i], expected[i]);
        if (error > found[name].error) Object.assign(found[name], { error, at: values[i] });
      }
      wasm.free(came);
      cpu.free(right);
    }
    wasm.free(x);
    cpu.free(exact);
  }
  for (const name of functions) {
    const from = name === 'log' ? 0.01 : -4;
    const x = wasm.upload(
      Float32Array.from({ length: SIZE }, (_, i) => from + (4 - from) * ((i * 0.618) % 1)),
    );
    for (let run = 0; run < 500; run++) {
      const started = performance.now();
      wasm.free(wasm.unary(name, x));
      found[name].ns = Math.min(found[name].ns, (1e6 * (performance.now() - started)) / SIZE);
    }
    wasm.free(x);
  }
  printTable(
    `wasm: functions over every ${STRIDE}st float and the edges; times from -4 to 4`,
    ['function', 'largest error', 'at', 'ns a value'],
    functions.map((name) => {
      const { error, at, ns } = found[name];
      return [name, error.toFixed(3), String(at), ns.toFixed(1)];
    }),
  );
  return found;
}
