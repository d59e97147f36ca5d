/**
 * Threads: workers run parts of kernels on one shared memory. The number of threads doesn't change
 * the results: each value is computed by one thread, exactly as a single thread would compute it.
 */
import type { Heap } from './heap.js';
import type { Exports } from './kernels.js';
import bytes from './kernels-threads.wasm';

/** The functions that only this module exports (assembly/threads.ts). */
type ThreadExports = Exports & Record<'setPart', (...numbers: number[]) => number>;
type Name = keyof Exports;

/** Each thread takes at least this many nanoseconds of work: waking a worker costs some of them. */
const LEAST_WORK = 10_000;
/** How many times to poll before sleeping. */
const POLLS = 20_000;
/** Bytes of memory that each thread has for itself: a plan (lib/walk.ts). */
const ROOM = 1024;
const PAGE = 65536;

// Threads communicate through shared memory: 32-bit control words, and the arguments as doubles.
const PENDING = 0; // number of workers that aren't done
const KERNEL = 1;
const PARTS = 2;
const PHASE = 3;
const COUNT = 4; // number of arguments
const WORDS = 16; // for these, and then for each worker:
const [SIGNAL, PART, READY, RESULT] = [0, 1, 2, 3]; // jobs so far; part to compute; 1: it listens
const MOST_NUMBERS = 32;

/** The program of a worker, as text, so that bundlers need no second entry file. */
const program = `
const listen = ({ module, memory, names, control, numbers, own, room }) => {
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  const words = new Int32Array(memory.buffer, control, own + ${WORDS});
  const values = new Float64Array(memory.buffer, numbers, ${MOST_NUMBERS});
  Atomics.store(words, own + ${READY}, 1);
  for (let seen = 0; ; ) {
    for (let i = 0; i < ${POLLS} && Atomics.load(words, own) === seen; i++);
    while (Atomics.load(words, own) === seen) Atomics.wait(words, own, seen); // a late notify wakes without a job
    seen = Atomics.load(words, own);
    const given = values.slice(0, words[${COUNT}]);
    exports.setPart(words[own + ${PART}], words[${PARTS}], words[${PHASE}], room);
    words[own + ${RESULT}] = exports[names[words[${KERNEL}]]](...given);
    Atomics.sub(words, ${PENDING}, 1);
    Atomics.notify(words, ${PENDING});
  }
};
if (typeof process === 'object') process.getBuiltinModule('node:worker_threads').parentPort.once('message', listen);
else onmessage = ({ data }) => listen(data);
`;

/** The product of some arguments, times the nanoseconds that each takes. */
const cost =
  (nanoseconds: number, ...factors: number[]) =>
  (numbers: readonly number[]) =>
    factors.reduce((product, i) => product * numbers[i], nanoseconds);

/** The number of values in a walk: the arguments from number `first` on are a row, plan and axes. */
function walked(ints: Int32Array, numbers: readonly number[], first: number): number {
  const [length, plan, axes] = numbers.slice(first);
  let size = length;
  for (let axis = 0; axis < axes; axis++) size *= ints[plan / 4 + 6 * axis];
  return size;
}

type Cost = (numbers: readonly number[], ints: Int32Array) => number;
/** About how many nanoseconds a kernel takes on one thread, from its arguments. */
const costs: Partial<Record<Name, Cost>> = {
  adam: cost(1, 7),
  argmax: (numbers, ints) => walked(ints, [numbers[5] * numbers[6], numbers[8], numbers[9]], 0),
  attention: cost(0.4, 5, 6, 7, 8, 9),
  attentionGradient: cost(0.9, 6, 7, 8, 9, 10),
  binary: (numbers, ints) => 0.4 * walked(ints, numbers, 6),
  binaryInt: (numbers, ints) => walked(ints, numbers, 6),
  clear: cost(0.5, 2),
  copy: (numbers, ints) => 0.5 * walked(ints, numbers, 4),
  crossEntropy: cost(2, 3, 4),
  crossEntropyGradient: cost(2, 4, 5),
  dropout: cost(10, 5),
  fill: cost(0.1, 2),
  finish: cost(0.5, 3),
  finite: cost(0.2, 1),
  gather: cost(0.2, 2, 4),
  layerNorm: cost(0.8, 4, 5),
  layerNormGradient: cost(2, 4, 5),
  matmul: cost(0.08, 8, 9, 10),
  norm: ([list, count], ints) => {
    let size = 0;
    for (let i = 0; i < count; i++) size += ints[list / 4 + 2 * i + 1];
    return size / 2;
  },
  reduce: (numbers, ints) => 0.5 * walked(ints, numbers, 6),
  reluGradient: cost(0.4, 2),
  rmsNorm: cost(0.6, 3, 4),
  rmsNormGradient: cost(1.5, 4, 5),
  rotate: cost(1, 4, 6, 7),
  scatterAdd: cost(0.4, 3, 6),
  softmax: cost(2, 4, 5),
  softmaxGradient: cost(0.6, 3, 4),
  swiglu: cost(2.5, 2),
  swigluGradient: cost(3, 3),
  toFloat: cost(0.3, 2),
  toInt: cost(0.3, 2),
  unary: cost(2, 3),
  uniform: cost(10, 3),
  where: (numbers, ints) => 0.5 * walked(ints, numbers, 7),
};

/** Kernels of two phases, between which the threads wait for each other. */
const twoPhases: readonly Name[] = ['layerNormGradient', 'rmsNormGradient', 'norm'];
/** Functions whose result is the scratch space that each thread needs. */
const ownScratch: readonly Name[] = [
  'matmulScratch',
  'attentionScratch',
  'attentionGradientScratch',
];

/** The reason why threads aren't available here; undefined where they are. */
function whyNoThreads(): string | undefined {
  if (typeof SharedArrayBuffer === 'undefined') {
    return 'pages share memory only when served with the headers Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp';
  }
  if (typeof Worker !== 'undefined') return undefined;
  return nodeThreads() ? undefined : 'this engine has no workers (Node from 20.16 on has them)';
}

let hasWarned = false;

/** Returns the number of threads to start, and warns once if there are fewer processors. */
function countOf(wanted: number | 'auto'): number {
  const system = globalThis.process?.getBuiltinModule?.('node:os');
  const processors = system?.availableParallelism() ?? navigator.hardwareConcurrency;
  if (wanted === 'auto') return Math.min(processors, 64);
  if (wanted > processors && !hasWarned) {
    hasWarned = true;
    console.warn(
      `wasm: ${wanted} threads take turns on ${processors === 1 ? 'one processor' : `${processors} processors`}, which is slower than ${processors === 1 ? 'one thread' : `${processors} threads`}; use threads: 'auto'.`,
    );
  }
  return wanted;
}

/**
 * Moves `heap` to memory that threads share, replaces the functions in `exports` by others that
 * divide the work, and starts the workers, which take part as soon as they listen. Returns undefined
 * where one thread is wanted or possible; then a warning says why.
 */
export function startThreads(
  wanted: number | 'auto',
  exports: Exports,
  heap: Heap,
): Threads | undefined {
  const missing = whyNoThreads();
  if (missing) warn(missing);
  const count = missing ? 1 : countOf(wanted);
  return count > 1 ? new Threads(count, exports, heap) : undefined;
}

export class Threads {
  readonly #own: ThreadExports;
  /** The kernels that can be divided; workers know them by their index in this list. */
  readonly #names = Object.keys(costs) as Name[];
  readonly #words: Int32Array;
  readonly #values: Float64Array;
  readonly #heap: Heap;
  readonly #room: number;
  readonly #end: (() => void)[] = [];

  constructor(count: number, exports: Exports, heap: Heap) {
    const module = new WebAssembly.Module(bytes);
    const size = WORDS * count;
    const control = heap.allocate(4 * size);
    const numbers = heap.allocate(8 * MOST_NUMBERS);
    this.#room = heap.allocate(ROOM * count);
    const { memory: before } = heap;
    const memory = new WebAssembly.Memory({
      initial: before.buffer.byteLength / PAGE,
      maximum: heap.mostPages,
      shared: true,
    });
    const own = new WebAssembly.Instance(module, { env: { memory } }).exports as ThreadExports;
    // Both modules have the same constants, in front of the heap.
    const base = exports.heapBase();
    new Uint8Array(memory.buffer, base).set(new Uint8Array(before.buffer, base));
    heap.memory = memory;
    this.#own = own;
    this.#heap = heap;
    this.#words = new Int32Array(memory.buffer, control, size).fill(0);
    this.#values = new Float64Array(memory.buffer, numbers, MOST_NUMBERS);

    for (const name of Object.keys(exports) as Name[]) {
      if (name in costs) exports[name] = (...given) => this.#run(name, given);
      else if (ownScratch.includes(name)) exports[name] = (...given) => count * own[name](...given);
      else exports[name] = own[name];
    }
    for (let worker = 1; worker < count; worker++) {
      const room = this.#room + worker * ROOM;
      const names = this.#names;
      const setting = { module, memory, names, control, numbers, own: WORDS * worker, room };
      this.#end.push(startWorker(setting, warn));
    }
  }

  /** Ends the workers, which would otherwise wait for work forever. */
  close(): void {
    for (const end of this.#end.splice(0)) end();
  }

  /** The offsets of the control words of the workers that listen. */
  get listening(): number[] {
    const all: number[] = [];
    for (let own = WORDS; own < this.#words.length; own += WORDS) {
      if (Atomics.load(this.#words, own + READY)) all.push(own);
    }
    return all;
  }

  /** Runs a kernel on as many threads as its work is enough for. */
  #run(name: Name, given: readonly number[]): number {
    const most = Math.floor((costs[name] as Cost)(given, this.#heap.ints) / LEAST_WORK);
    const workers = most < 2 ? [] : this.listening.slice(0, most - 1);
    if (workers.length === 0) {
      this.#own.setPart(0, 1, -1, this.#room);
      return this.#own[name](...given);
    }
    this.#values.set(given);
    this.#words[COUNT] = given.length;
    this.#words[KERNEL] = this.#names.indexOf(name);
    this.#words[PARTS] = workers.length + 1;
    const result = this.#divide(name, given, workers, 0);
    return twoPhases.includes(name) ? this.#divide(name, given, workers, 1) : result;
  }

  /**
   * Computes one phase on this thread and on `workers`. Kernels return the first position with an
   * error, or -1, or 0 if a value isn't finite; the result is the least, with -1 as the largest.
   */
  #divide(name: Name, given: readonly number[], workers: readonly number[], phase: number): number {
    const words = this.#words;
    words[PHASE] = phase;
    Atomics.store(words, PENDING, workers.length);
    workers.forEach((own, i) => {
      words[own + PART] = i + 1;
      Atomics.add(words, own + SIGNAL, 1);
      Atomics.notify(words, own + SIGNAL);
    });
    this.#own.setPart(0, workers.length + 1, phase, this.#room);
    const own = this.#own[name](...given);
    waitForNone(words);
    return workers.reduce((least, at) => Math.min(least, words[at + RESULT] >>> 0), own >>> 0) | 0;
  }
}

function warn(reason: unknown): void {
  console.warn(`wasm: continuing without more threads: ${reason}.`);
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
