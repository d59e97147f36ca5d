/**
 * The fast backend: WebAssembly with 128-bit SIMD, float32 and int32, one linear memory. The kernels
 * are in ./assembly, compiled at build time and embedded here, so that one import works in Node,
 * browsers and workers.
 *
 * @module memgrad/backends/wasm
 */

import { compile } from './module.js';

// The kernels are imported first, so that an app begins with their text. In the middle of the code,
// it would be most of the 32 kB in which gzip looks for repetitions.

import { MemgradError } from '../../errors.js';
import { checkOptions, finite, type Kind, whole } from '../../options.js';
import type {
  Backend,
  BinaryKernel,
  DeviceBuffer,
  DType,
  Kernels,
  MatmulSpec,
  Piece,
  RandomWords,
  ReduceKernel,
  TypedArray,
  UnaryKernel,
  View,
} from '../backend.js';
import { sizeOf, stridesOf } from '../layout.js';
import { outsideTable } from '../outside-table.js';
import { skipZeros } from '../skip-zeros.js';
import { binaryNumbers, unaryNumbers } from './exports.js';
import { fusedKernels } from './fused.js';
import { Heap } from './heap.js';
import type { Exports, WasmBuffer } from './kernels.js';
import { Plan } from './plan.js';
import type { Prepared } from './prepared.js';
import type { Threads } from './threads.js';

const FIRST_COMPARISON = binaryNumbers.equal;

class Wasm implements WasmBackend {
  readonly name = 'wasm';
  readonly dtypes: readonly DType[] = ['float32', 'int32'];
  readonly #heap: Heap;
  readonly #exports: Exports;
  readonly #plan: Plan;
  #threads: Threads | undefined;
  #closed = false;
  /** Loaded on demand: most apps capture nothing. */
  #list: typeof Prepared | undefined;
  #loading: Promise<void> | undefined;
  readonly kernels: Partial<Kernels>;

  constructor(threads: number | 'auto', maximumBytes?: number, module = compile()) {
    const heap = new Heap(maximumBytes);
    const instance = new WebAssembly.Instance(module, { env: { memory: heap.memory } });
    // A copy, since threads replace these functions by others that divide the work.
    const exports = { ...instance.exports } as Exports;
    heap.start(exports.heapBase());
    this.#heap = heap;
    this.#exports = exports;
    this.#plan = new Plan(heap);
    this.kernels = fusedKernels(exports, heap);
    // Loaded on demand: most apps compute on one thread.
    if (threads !== 1) {
      import('./threads.js')
        .then(({ startThreads }) => {
          if (!this.#closed) this.#threads = startThreads(threads, exports, heap);
        })
        .catch((reason) => console.warn(`wasm: computing on one thread: ${reason}.`));
    }
  }

  /** The text that `console.log` shows, instead of a list of kernels. */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return `Backend(${this.name}, ${this.dtypes})`;
  }

  close() {
    this.#closed = true;
    this.#threads?.close();
    this.#heap.close();
  }

  get threads() {
    return 1 + (this.#threads?.listening.length ?? 0);
  }

  upload(data: TypedArray) {
    const out = this.#heap.buffer(data instanceof Int32Array ? 'int32' : 'float32', data.length);
    this.#heap.valuesOf(out.dtype).set(data, out.address / 4);
    return out;
  }

  async read(buffer: DeviceBuffer) {
    return this.peek(buffer).slice();
  }

  peek(buffer: DeviceBuffer) {
    const { address, size, dtype } = buffer as WasmBuffer;
    return this.#heap.valuesOf(dtype).subarray(address / 4, address / 4 + size);
  }

  free(buffer: DeviceBuffer) {
    this.#heap.free(buffer as WasmBuffer);
  }

  prepare(
    inputs: readonly DeviceBuffer[],
    record: (part: <T>(f: () => T) => T) => readonly DeviceBuffer[],
  ) {
    this.#loading ??= import('./prepared.js').then(({ Prepared }) => {
      this.#list = Prepared;
    });
    return this.#list && new this.#list(this.#heap, this.#exports, inputs as WasmBuffer[], record);
  }

  fill(value: number, size: number, dtype: DType) {
    const out = this.#heap.buffer(dtype, size);
    const bits = dtype === 'int32' ? value : bitsOf(value);
    this.#exports.fill(out.address, bits, size);
    return out;
  }

  cast(x: DeviceBuffer, dtype: DType) {
    const out = this.#heap.buffer(dtype, x.size);
    const from = (x as WasmBuffer).address;
    if (x.dtype === dtype) this.#copy(out.address, from, x.size);
    else if (dtype === 'int32') this.#exports.toInt(from, out.address, x.size);
    else this.#exports.toFloat(from, out.address, x.size);
    return out;
  }

  unary(kernel: UnaryKernel, x: DeviceBuffer) {
    const out = this.#heap.buffer(x.dtype, x.size);
    this.#exports.unary(unaryNumbers[kernel], (x as WasmBuffer).address, out.address, x.size);
    return out;
  }

  binary(kernel: BinaryKernel, a: View, b: View) {
    const number = binaryNumbers[kernel];
    const { dtype } = a.buffer;
    const out = this.#heap.buffer(number >= FIRST_COMPARISON ? 'int32' : dtype, sizeOf(a.shape));
    const plan = this.#plan.set(a.shape, [stridesOf(a.shape), a.strides, b.strides]);
    const [, sa, sb] = plan.steps;
    if (plan.length > 0) {
      const run = dtype === 'int32' ? this.#exports.binaryInt : this.#exports.binary;
      run(number, out.address, start(a), sa, start(b), sb, plan.length, plan.address, plan.axes);
    }
    return out;
  }

  where(condition: View, a: View, b: View) {
    const out = this.#heap.buffer(a.buffer.dtype, sizeOf(a.shape));
    const strides = [stridesOf(a.shape), condition.strides, a.strides, b.strides];
    const plan = this.#plan.set(a.shape, strides);
    const [, sc, sa, sb] = plan.steps;
    if (plan.length > 0) {
      this.#exports.where(
        out.address,
        start(condition),
        sc,
        start(a),
        sa,
        start(b),
        sb,
        plan.length,
        plan.address,
        plan.axes,
      );
    }
    return out;
  }

  reduce(kernel: ReduceKernel, x: View, kept: number) {
    const shape = x.shape.slice(0, kept);
    const size = sizeOf(shape);
    const isInt = Number(x.buffer.dtype === 'int32');
    const exports = this.#exports;
    if (kernel === 'argmax') {
      const out = this.#heap.buffer('int32', size);
      const plan = this.#plan.set(shape, [stridesOf(shape), x.strides.slice(0, kept)]);
      const [so, sx] = plan.steps;
      const [length, step] = [x.shape[kept], x.strides[kept] * 4];
      if (plan.length > 0) {
        exports.argmax(
          isInt,
          start(x),
          sx,
          out.address,
          so,
          plan.length,
          length,
          step,
          plan.address,
          plan.axes,
        );
      }
      return out;
    }
    const totals = this.#heap.scratch(size * 8);
    const out = this.#heap.buffer(x.buffer.dtype, size);
    exports.clear(totals, kernel === 'sum' ? 0 : -Infinity, size);
    // Sort the axes by the input's strides, which makes rows as long and contiguous as possible.
    const own = [...stridesOf(shape), ...x.shape.slice(kept).fill(0)];
    const order = own.map((_, axis) => axis).sort((p, q) => x.strides[q] - x.strides[p]);
    const pick = (values: readonly number[]) => order.map((axis) => values[axis]);
    const plan = this.#plan.set(pick(x.shape), [pick(own), pick(x.strides)], [8, 4]);
    const [st, sx] = plan.steps;
    if (plan.length > 0) {
      const number = kernel === 'sum' ? 0 : 1;
      exports.reduce(number, isInt, start(x), sx, totals, st, plan.length, plan.address, plan.axes);
    }
    exports.finish(totals, isInt, out.address, size);
    return out;
  }

  matmul(a: DeviceBuffer, b: DeviceBuffer, spec: MatmulSpec) {
    const { m, n, k, transposeA, transposeB, batch } = spec;
    const matrices = sizeOf(batch);
    const size = matrices * m * n;
    if (size === 0) return this.#heap.buffer(a.dtype, 0);
    const scratch = this.#heap.scratch(this.#exports.matmulScratch(n, k));
    const out = this.#heap.buffer(a.dtype, size);
    const [ar, ac] = transposeA ? [4, 4 * m] : [4 * k, 4];
    const [br, bc] = transposeB ? [4, 4 * k] : [4 * n, 4];
    for (let index = 0; index < matrices; index++) {
      let offsetA = 0;
      let offsetB = 0;
      for (let axis = batch.length - 1, rest = index; axis >= 0; axis--) {
        const at = rest % batch[axis];
        rest = (rest - at) / batch[axis];
        offsetA += at * spec.batchStridesA[axis];
        offsetB += at * spec.batchStridesB[axis];
      }
      this.#exports.matmul(
        (a as WasmBuffer).address + 4 * offsetA,
        ar,
        ac,
        (b as WasmBuffer).address + 4 * offsetB,
        br,
        bc,
        out.address + 4 * index * m * n,
        4 * n,
        m,
        n,
        k,
        scratch,
        0,
        -Infinity,
      );
      if (spec.skipZeros && !this.#exports.finite(out.address + 4 * index * m * n, m * n)) {
        const matrix = (buffer: DeviceBuffer, offset: number, row: number, column: number) => ({
          data: this.#heap.floats,
          start: (buffer as WasmBuffer).address / 4 + offset,
          row: row / 4,
          column: column / 4,
        });
        const [left, right] = [matrix(a, offsetA, ar, ac), matrix(b, offsetB, br, bc)];
        skipZeros(left, right, matrix(out, index * m * n, 4 * n, 4), m, k, n);
      }
    }
    return out;
  }

  assemble(shape: readonly number[], dtype: DType, fill: number, pieces: readonly Piece[]) {
    const size = sizeOf(shape);
    const covered = pieces.reduce((sum, { view }) => sum + sizeOf(view.shape), 0);
    const out = covered < size ? this.fill(fill, size, dtype) : this.#heap.buffer(dtype, size);
    const strides = stridesOf(shape);
    for (const { view, at } of pieces) {
      const plan = this.#plan.set(view.shape, [strides, view.strides]);
      const first =
        out.address + 4 * at.reduce((sum, index, axis) => sum + index * strides[axis], 0);
      const [so, sx] = plan.steps;
      if (plan.length > 0) {
        this.#exports.copy(first, so, start(view), sx, plan.length, plan.address, plan.axes);
      }
    }
    return out;
  }

  gather(table: DeviceBuffer, indices: DeviceBuffer, width: number) {
    const out = this.#heap.buffer(table.dtype, indices.size * width);
    if (width === 0) return out;
    const rows = table.size / width;
    const [from, at] = [(table as WasmBuffer).address, (indices as WasmBuffer).address];
    const bad = this.#exports.gather(from, rows, width, at, indices.size, out.address);
    if (bad >= 0) this.#refuse('gather', out, at, bad, rows);
    return out;
  }

  scatterAdd(values: DeviceBuffer, indices: DeviceBuffer, rows: number, width: number) {
    const out = this.fill(0, rows * width, values.dtype);
    const isInt = Number(values.dtype === 'int32');
    const [from, at] = [(values as WasmBuffer).address, (indices as WasmBuffer).address];
    const bad = this.#exports.scatterAdd(from, isInt, at, indices.size, out.address, rows, width);
    if (bad >= 0) this.#refuse('scatterAdd', out, at, bad, rows);
    return out;
  }

  uniform({ hi, lo }: RandomWords, size: number) {
    const out = this.#heap.buffer('float32', size);
    this.#exports.uniform(hi, lo, out.address, size); // in pairs: an odd one ends in the padding
    return out;
  }

  #copy(to: number, from: number, size: number): void {
    this.#exports.copy(to, 4, from, 4, size, 0, 0);
  }

  #refuse(name: string, out: WasmBuffer, indices: number, position: number, rows: number): never {
    this.free(out);
    throw outsideTable(name, this.#heap.ints[indices / 4 + position], position, rows);
  }
}

/** Address of the first element of a view. */
function start({ buffer, offset }: View): number {
  return (buffer as WasmBuffer).address + 4 * offset;
}

const oneFloat = /* @__PURE__ */ new Float32Array(1);
const itsBits = /* @__PURE__ */ new Int32Array(oneFloat.buffer);

/** The bits of a float32 as an int32. */
function bitsOf(value: number): number {
  oneFloat[0] = value;
  return itsBits[0];
}

/** The backend, with members that other backends lack. */
export interface WasmBackend extends Backend {
  /** How many threads are ready now: workers take some milliseconds to start. */
  readonly threads: number;
  /**
   * Ends the threads. Every later use of the backend or its tensors throws `MemgradError`. May be
   * called twice.
   */
  close(): void;
}

/** Options of `createWasmBackend`. */
export interface WasmOptions {
  /** The size to which its memory may grow. Default: 4 GiB, the maximum. */
  maximumBytes?: number;
  /**
   * How many threads compute, on workers that share memory; `'auto'`: as many as there are
   * processors. Default: 1. Results do not depend on the number. Where threads aren't available, a
   * warning says why, and one is used.
   */
  threads?: number | 'auto';
  /**
   * The compiled kernels, for hosts that refuse to compile bytes (Cloudflare Workers): `import
   * kernels from 'memgrad/backends/wasm/kernels.wasm'`. Can't be combined with threads.
   */
  module?: WebAssembly.Module;
}

/**
 * Creates the backend `wasm`: float32 and int32. Compiles the kernels synchronously. Throws
 * `MemgradError` where WebAssembly has no SIMD (browsers before 2021 to 2023), for an invalid
 * number of threads, and for threads together with a `module`.
 */
export function createWasmBackend(options?: WasmOptions): WasmBackend {
  checkOptions('wasm', options, {
    maximumBytes: finite,
    threads: threadCount(),
    module: ['a WebAssembly.Module', (value: unknown) => value instanceof WebAssembly.Module],
  });
  const { maximumBytes, threads = 1, module } = options ?? {};
  if (module && threads !== 1) {
    throw new MemgradError(
      'wasm: the option module computes on one thread, since its memory is not shared; leave out module or threads.',
    );
  }
  return new Wasm(threads, maximumBytes, module);
}

/** A function, since a bundler may run this module before options.ts. */
function threadCount(): Kind {
  const [count, isCount] = whole(1, 64);
  return [`${count} or 'auto'`, (n: never) => n === 'auto' || isCount(n)];
}
