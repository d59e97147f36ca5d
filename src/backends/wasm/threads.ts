/**
 * Kernels that are split over threads: workers run parts of them on one shared memory. How many
 * take part changes nothing about the results, since each value is computed by one of them in the
 * way in which one alone would.
 */

import type { splitNames } from './exports.js';
import type { Heap } from './heap.js';
import type { Exports } from './kernels.js';

/** A kernel that can be split. */
export type SplitKernel = (typeof splitNames)[number];

/** Runs a kernel; `work` is about how many multiplications it does. */
export type Run = (kernel: SplitKernel, work: number, numbers: readonly number[]) => void;

/** Below so much work, waking workers takes longer than what they save. */
const LEAST_WORK = 2 ** 20;
/** How often to look whether workers are done before sleeping until they are. */
const LOOKS = 20_000;

// What threads tell each other stands in memory: 32-bit words, then the arguments as doubles.
const PENDING = 0; // workers that are not done
const KERNEL = 1;
const PARTS = 2;
const COUNT = 3; // of arguments
const WORKERS = 8; // from here on, four words to each:
const [SIGNAL, PART, READY] = [0, 1, 2]; // counts jobs; which part to do; 1 when it listens
const WORDS = 4;
const MOST_NUMBERS = 32;

/** What a worker runs. It is text, so that no bundler needs to know of another file. */
const program = `
const listen = ({ module, memory, names, control, numbers, own }) => {
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  const words = new Int32Array(memory.buffer, control, own + ${WORDS});
  const values = new Float64Array(memory.buffer, numbers, ${MOST_NUMBERS});
  Atomics.store(words, own + ${READY}, 1);
  for (let seen = 0; ; ) {
    for (let i = 0; i < ${LOOKS} && Atomics.load(words, own) === seen; i++);
    while (Atomics.load(words, own) === seen) Atomics.wait(words, own, seen); // a late notify wakes without a job
    seen = Atomics.load(words, own);
    const given = values.slice(0, words[${COUNT}]);
    exports[names[words[${KERNEL}]]](...given, words[own + ${PART}], words[${PARTS}]);
    Atomics.sub(words, ${PENDING}, 1);
    Atomics.notify(words, ${PENDING});
  }
};
if (typeof process === 'object') process.getBuiltinModule('node:worker_threads').parentPort.once('message', listen);
else onmessage = ({ data }) => listen(data);
`;

/** Why there can be no threads; undefined where there can. */
export function whyNoThreads(): string | undefined {
  if (typeof SharedArrayBuffer === 'undefined') {
    return 'pages share memory only when served with the headers Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp';
  }
  if (typeof Worker !== 'undefined') return undefined;
  return nodeThreads() ? undefined : 'this engine has no workers (Node from 20.16 on has them)';
}

/** Workers beside the caller; they join in as soon as they listen. */
export class Threads {
  readonly #exports: Exports;
  /** The kernels, which workers know by their place in this list. */
  readonly #names: readonly SplitKernel[];
  readonly #words: Int32Array;
  readonly #values: Float64Array;
  readonly #end: (() => void)[] = [];

  constructor(
    workers: number,
    module: WebAssembly.Module,
    exports: Exports,
    names: readonly SplitKernel[],
    heap: Heap,
    onFailure: (reason: unknown) => void,
  ) {
    this.#exports = exports;
    this.#names = names;
    const { memory } = heap;
    const size = WORKERS + WORDS * workers;
    const control = heap.allocate(4 * size);
    const numbers = heap.allocate(8 * MOST_NUMBERS);
    this.#words = new Int32Array(memory.buffer, control, size).fill(0);
    this.#values = new Float64Array(memory.buffer, numbers, MOST_NUMBERS);
    for (let own = WORKERS; own < size; own += WORDS) {
      const setting = { module, memory, names, control, numbers, own };
      this.#end.push(startWorker(setting, onFailure));
    }
  }

  /** Ends the workers, which wait for work all their lives. */
  close(): void {
    for (const end of this.#end.splice(0)) end();
  }

  /** Where the words of the workers that listen stand. */
  get listening(): number[] {
    const all: number[] = [];
    for (let own = WORKERS; own < this.#words.length; own += WORDS) {
      if (Atomics.load(this.#words, own + READY)) all.push(own);
    }
    return all;
  }

  readonly run: Run = (kernel, work, numbers) => {
    const workers = work < LEAST_WORK ? [] : this.listening;
    const parts = 1 + workers.length;
    const words = this.#words;
    if (parts > 1) {
      this.#values.set(numbers);
      words[KERNEL] = this.#names.indexOf(kernel);
      words[PARTS] = parts;
      words[COUNT] = numbers.length;
      Atomics.store(words, PENDING, workers.length);
      workers.forEach((own, i) => {
        words[own + PART] = i + 1;
        Atomics.add(words, own + SIGNAL, 1);
        Atomics.notify(words, own + SIGNAL);
      });
    }
    this.#exports[kernel](...numbers, 0, parts);
    if (parts > 1) waitForNone(words);
  };
}

/** Waits until no worker is pending: by looking, then asleep where that is allowed, which it is not on a page. */
function waitForNone(words: Int32Array): void {
  for (let looks = 0; ; looks++) {
    const pending = Atomics.load(words, PENDING);
    if (pending === 0) return;
    if (looks > LOOKS && maySleep) Atomics.wait(words, PENDING, pending);
  }
}

const maySleep = typeof document === 'undefined';

/** Returns what ends the worker. */
function startWorker(setting: object, onFailure: (reason: unknown) => void): () => void {
  const threads = nodeThreads();
  if (threads) {
    const worker = new threads.Worker(program, { eval: true });
    worker.on('error', onFailure);
    worker.postMessage(setting);
    worker.unref(); // it ends with the process
    return () => void worker.terminate();
  }
  const address = URL.createObjectURL(new Blob([program], { type: 'text/javascript' }));
  const worker = new Worker(address);
  worker.onerror = ({ message }) =>
    onFailure(message || 'the page forbids workers of its own text');
  worker.postMessage(setting);
  return () => {
    worker.terminate();
    URL.revokeObjectURL(address);
  };
}

function nodeThreads(): typeof import('node:worker_threads') | undefined {
  return globalThis.process?.getBuiltinModule?.('node:worker_threads');
}
