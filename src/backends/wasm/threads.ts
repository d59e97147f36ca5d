/**
 * Kernels that are split over threads: workers run parts of them on one shared memory. The number
 * of threads doesn't change the results: each value is computed by one thread, exactly as a single
 * thread would compute it.
 */

import type { splitNames } from './exports.js';
import type { Heap } from './heap.js';
import type { Exports } from './kernels.js';

/** A kernel that can be split. */
export type SplitKernel = (typeof splitNames)[number];

/** Runs a kernel; `work` is roughly the number of its multiplications. */
export type Run = (kernel: SplitKernel, work: number, numbers: readonly number[]) => void;

/** With less work than this, waking workers takes longer than they save. */
const LEAST_WORK = 2 ** 20;
/** How many times to poll before sleeping. */
const POLLS = 20_000;

// Threads communicate through shared memory: 32-bit control words, and the arguments as doubles.
const PENDING = 0; // number of workers that aren't done
const KERNEL = 1;
const PARTS = 2;
const COUNT = 3; // number of arguments
const WORKERS = 8; // from here on, four words for each worker:
const [SIGNAL, PART, READY] = [0, 1, 2]; // number of jobs so far; part to compute; 1: it listens
const WORDS = 4;
const MOST_NUMBERS = 32;

/** The program of a worker, as text, so that bundlers need no second entry file. */
const program = `
const listen = ({ module, memory, names, control, numbers, own }) => {
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  const words = new Int32Array(memory.buffer, control, own + ${WORDS});
  const values = new Float64Array(memory.buffer, numbers, ${MOST_NUMBERS});
  Atomics.store(words, own + ${READY}, 1);
  for (let seen = 0; ; ) {
    for (let i = 0; i < ${POLLS} && Atomics.load(words, own) === seen; i++);
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

/** The reason why threads aren't available here; undefined where they are. */
export function whyNoThreads(): string | undefined {
  if (typeof SharedArrayBuffer === 'undefined') {
    return 'pages share memory only when served with the headers Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp';
  }
  if (typeof Worker !== 'undefined') return undefined;
  return nodeThreads() ? undefined : 'this engine has no workers (Node from 20.16 on has them)';
}

/**
 * The workers, which take part as soon as they listen; the caller's thread computes a part, too.
 */
export class Threads {
  readonly #exports: Exports;
  /** The kernels, which workers identify by their index in this list. */
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

  /** Ends the workers, which would otherwise wait for work forever. */
  close(): void {
    for (const end of this.#end.splice(0)) end();
  }

  /** The offsets of the control words of the workers that listen. */
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

/**
 * Waits until no worker is pending: polls, then sleeps, except on a page, where sleeping isn't
 * allowed.
 */
function waitForNone(words: Int32Array): void {
  for (let polls = 0; ; polls++) {
    const pending = Atomics.load(words, PENDING);
    if (pending === 0) return;
    if (polls > POLLS && maySleep) Atomics.wait(words, PENDING, pending);
  }
}

const maySleep = typeof document === 'undefined';

/** Starts a worker; returns the function that ends it. */
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
    onFailure(message || 'the page forbids workers from blob: URLs');
  worker.postMessage(setting);
  return () => {
    worker.terminate();
    URL.revokeObjectURL(address);
  };
}

function nodeThreads(): typeof import('node:worker_threads') | undefined {
  return globalThis.process?.getBuiltinModule?.('node:worker_threads');
}
