/**
 * Calls of kernels that were noted once and run again: on other inputs, without the code that made
 * them. While calls are noted, nothing runs, and addresses are placeholders: numbers larger than any
 * address or integer. Before a run, the arguments that were made from a placeholder get the address
 * of the block that stands for it. Arguments that are floats are never taken for one.
 */
import type { DeviceBuffer, PreparedList } from '../backend.js';
import { floatParameters } from './float-parameters.js';
import type { Heap } from './heap.js';
import type { Exports, WasmBuffer } from './kernels.js';

type Name = keyof Exports;
type Kernel = Exports[Name];
/** What replaces methods of the heap while calls are noted. */
type Notes = Pick<Heap, 'take' | 'put' | 'scratch' | 'table' | 'valuesOf'>;
type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** Placeholder `id` is FIRST + id * REACH, plus the offset in its block. */
const FIRST = 2 ** 40;
const REACH = 2 ** 32;
/** More of them would round offsets. */
const MOST = 2 ** 20;

/** Results of kernels by which the host decides what to do next, and their expected values. */
const expectations: Partial<Record<Name, (result: number) => boolean>> = {
  finite: (result) => result !== 0,
  crossEntropy: isNoPosition,
  gather: isNoPosition,
  scatterAdd: isNoPosition,
};

/** Kernels return the position of the first bad index, or -1. */
function isNoPosition(result: number): boolean {
  return result < 0;
}

/** One call. */
interface Call {
  readonly name: Name;
  readonly kernel: Kernel;
  /** From `expectations`. */
  readonly isExpected: ((result: number) => boolean) | undefined;
  readonly args: number[];
  /** The arguments that aren't made from a placeholder. */
  readonly numbers: number[];
}

/** A table in memory that kernels read, at `offset` in the block of all tables. */
interface Table {
  readonly offset: number;
  readonly values: number[];
  isWritten: boolean;
}

/** A number that is an address plus an offset. */
interface Place {
  readonly values: number[];
  readonly index: number;
  readonly offset: number;
  readonly table: Table | undefined;
}

/** What stands for an address while calls are noted. */
interface Placeholder {
  readonly id: number;
  /** The address in the last run, and the numbers that were made from it. */
  address: number;
  readonly places: Place[];
}

/** A block that each run takes from the heap. */
interface Block extends Placeholder {
  /** The size class. */
  readonly size: number;
  /** Whether the caller gets it as a result, so that it isn't released after a run. */
  isResult: boolean;
}

/** While calls are noted only for their numbers, all addresses are alike. */
const numbersOnly: Notes = {
  take: () => FIRST,
  put() {},
  scratch: () => FIRST,
  table: () => FIRST,
  valuesOf: noValues,
};

function noValues(): never {
  throw new Error('a list of kernels has no values before it runs');
}

export class Prepared implements PreparedList {
  readonly #heap: Heap;
  readonly #exports: Exports;
  /** Threads replace the memory and the functions; then another list is needed. */
  readonly #memory: WebAssembly.Memory;
  readonly #placeholders: Placeholder[] = [];
  readonly #inputs: readonly Placeholder[];
  /** For each input, the first one that is the same buffer. */
  readonly #same: readonly number[];
  readonly #blocks: Block[] = [];
  readonly #free = new Map<number, Block[]>();
  readonly #scratch = this.#placeholder();
  #scratchBytes = 0;
  readonly #tables: Table[] = [];
  readonly #tablePlace = this.#placeholder();
  #tableBytes = 0;
  #calls: Call[] = [];
  /** The calls whose numbers may change. */
  readonly #marked: Call[] = [];
  #results: readonly { block: Block; buffer: WasmBuffer }[] = [];

  /** Notes what `record` calls, as `Backend.prepare` says. */
  constructor(
    heap: Heap,
    exports: Exports,
    inputs: readonly WasmBuffer[],
    record: (part: <T>(f: () => T) => T) => readonly DeviceBuffer[],
  ) {
    this.#heap = heap;
    this.#exports = exports;
    this.#memory = heap.memory;
    this.#inputs = inputs.map(() => this.#placeholder());
    this.#same = inputs.map((input) => inputs.indexOf(input));
    const notes: Notes = {
      take: (size) => addressOf(this.#free.get(size)?.pop() ?? this.#block(size)),
      put: (address, size) => {
        const block = this.#placeholderOf(address)?.placeholder as Block;
        this.#free.set(size, [...(this.#free.get(size) ?? []), block]);
      },
      scratch: (bytes) => {
        this.#scratchBytes = Math.max(this.#scratchBytes, bytes);
        return addressOf(this.#scratch);
      },
      table: (_room, values, bytes = 4 * values.length) => {
        const offset = this.#tableBytes;
        this.#tableBytes += 16 * Math.ceil(bytes / 16);
        this.#tables.push({ offset, values: [...values], isWritten: false });
        return addressOf(this.#tablePlace) + offset;
      },
      valuesOf: noValues,
    };
    const addresses = inputs.map(({ address }) => address);
    const results = this.#noting(
      notes,
      (call) => this.#calls.push(call),
      () => {
        try {
          inputs.forEach((input, i) => {
            (input as Writable<WasmBuffer>).address = addressOf(this.#inputs[this.#same[i]]);
          });
          return record((f) => {
            const first = this.#calls.length;
            const result = f();
            this.#marked.push(...this.#calls.slice(first));
            return result;
          });
        } finally {
          inputs.forEach((input, i) => {
            (input as Writable<WasmBuffer>).address = addresses[i];
          });
        }
      },
    );
    if (this.#placeholders.length > MOST) throw new Error('too many buffers for one list');
    this.#results = results.map((buffer) => {
      const block = this.#placeholderOf((buffer as WasmBuffer).address)?.placeholder as Block;
      block.isResult = true;
      return { block, buffer: buffer as WasmBuffer };
    });
    for (const { name, args, numbers } of this.#calls) {
      numbers.push(...this.#find(args, floatParameters[name]));
    }
    for (const table of this.#tables) this.#find(table.values, [], table);
    if (this.#tableBytes > 0) this.#move(this.#tablePlace, heap.allocate(this.#tableBytes));
  }

  run(inputs: readonly DeviceBuffer[]): WasmBuffer[] | undefined {
    const heap = this.#heap;
    if (heap.memory !== this.#memory) return undefined;
    for (let i = 0; i < inputs.length; i++) {
      if (inputs[i] !== inputs[this.#same[i]]) return undefined;
    }
    const taken: Block[] = [];
    let isDone = false;
    try {
      for (const block of this.#blocks) {
        this.#move(block, heap.take(block.size));
        taken.push(block);
      }
      inputs.forEach((input, i) => {
        this.#move(this.#inputs[i], (input as WasmBuffer).address);
      });
      this.#move(this.#scratch, heap.scratch(this.#scratchBytes));
      const at = this.#tablePlace.address;
      for (const table of this.#tables) {
        if (!table.isWritten) heap.ints.set(table.values, (at + table.offset) / 4);
        table.isWritten = true;
      }
      for (const { name, kernel, isExpected, args } of this.#calls) {
        const result = call(kernel, args);
        if (isExpected && !isExpected(result)) throw new Error(`${name} declined`);
      }
      isDone = true;
      return this.#results.map(({ block: { address }, buffer: { dtype, size } }) => ({
        dtype,
        size,
        address,
      }));
    } finally {
      // In this order the next run gets the same blocks.
      for (const block of taken.reverse()) {
        if (!isDone || !block.isResult) heap.put(block.address, block.size);
      }
    }
  }

  renumber(again: () => void): void {
    const calls: Call[] = [];
    this.#noting(numbersOnly, (call) => calls.push(call), again);
    this.#marked.forEach(({ args, numbers }, i) => {
      for (const j of numbers) args[j] = calls[i].args[j];
    });
  }

  dispose(): void {
    if (this.#tableBytes > 0) this.#heap.release(this.#tablePlace.address, this.#tableBytes);
    this.#tableBytes = 0;
  }

  /** Runs `f`, during which kernels are passed to `note` and don't run. */
  #noting<T>(notes: Notes, note: (call: Call) => void, f: () => T): T {
    const own = { ...this.#exports };
    for (const name of Object.keys(own) as Name[]) {
      if (name.endsWith('Scratch')) continue; // it computes nothing but a size
      const isExpected = expectations[name];
      this.#exports[name] = (...args) => {
        note({ name, kernel: own[name], isExpected, args, numbers: [] });
        return isExpected?.(-1) ? -1 : 1; // as expected, so that the code goes on
      };
    }
    const { take, put, scratch, table, valuesOf } = this.#heap;
    Object.assign(this.#heap, notes);
    try {
      return f();
    } finally {
      Object.assign(this.#heap, { take, put, scratch, table, valuesOf });
      Object.assign(this.#exports, own);
    }
  }

  #placeholder(): Placeholder {
    const made = { id: this.#placeholders.length, address: -1, places: [] };
    this.#placeholders.push(made);
    return made;
  }

  #block(size: number): Block {
    const block = Object.assign(this.#placeholder(), { size, isResult: false });
    this.#blocks.push(block);
    return block;
  }

  /** The placeholder that a number was made from, and the offset in its block. */
  #placeholderOf(value: number): { placeholder: Placeholder; offset: number } | undefined {
    const distance = value - FIRST;
    if (!(distance >= 0)) return undefined;
    const placeholder = this.#placeholders[Math.floor(distance / REACH)];
    return placeholder && { placeholder, offset: distance % REACH };
  }

  /** Finds the numbers that were made from placeholders; returns the positions of all others. */
  #find(values: number[], floats: readonly number[] = [], table?: Table): number[] {
    return [...values.keys()].filter((index) => {
      const found = floats.includes(index) ? undefined : this.#placeholderOf(values[index]);
      found?.placeholder.places.push({ values, index, offset: found.offset, table });
      return !found;
    });
  }

  /** Sets the address that stands for a placeholder. */
  #move(placeholder: Placeholder, address: number): void {
    if (placeholder.address === address) return;
    placeholder.address = address;
    for (const { values, index, offset, table } of placeholder.places) {
      values[index] = address + offset;
      if (table) table.isWritten = false;
    }
  }
}

/** `kernel(...a)`, written out for the most frequent numbers of arguments: a spread takes longer. */
function call(kernel: Kernel, a: readonly number[]): number {
  switch (a.length) {
    case 3:
      return kernel(a[0], a[1], a[2]);
    case 7:
      return kernel(a[0], a[1], a[2], a[3], a[4], a[5], a[6]);
    case 9:
      return kernel(a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8]);
    case 14: {
      const [b, c, d, e] = [a[10], a[11], a[12], a[13]];
      return kernel(a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8], a[9], b, c, d, e);
    }
    default:
      return kernel(...a);
  }
}

function addressOf({ id }: Placeholder): number {
  return FIRST + id * REACH;
}
