/** How kernels walk strided arrays together: a plan in memory, read by assembly/lib/walk.ts. */
import type { Heap } from './heap.js';

const MOST_AXES = 32; // 2^30 values fill the memory, so at most 30 axes are longer than 1
const ARRAYS = 4;
const ENTRY = 2 + ARRAYS; // length, counter, and a step for each array

/** A walk over rows; its `axes` outer axes are in memory at `address`. */
export class Plan {
  address: number;
  /** Number of outer axes. */
  axes = 0;
  /** Elements of a row; 0 when there is nothing to do. */
  length = 0;
  /** The distance in bytes from one element of a row to the next, for each array. */
  readonly steps = new Array<number>(ARRAYS).fill(0);
  readonly #heap: Heap;
  readonly #room: number;
  readonly #entries: number[] = [];
  readonly #lengths: number[] = [];
  readonly #strides: number[][] = Array.from({ length: ARRAYS }, () => []);

  constructor(heap: Heap) {
    this.#heap = heap;
    this.#room = heap.allocate(MOST_AXES * ENTRY * 4);
    this.address = this.#room;
  }

  /**
   * Plans a walk over `shape` through arrays with these strides, in elements of `widths` bytes
   * (default: 4). Adjacent axes are joined where every array steps through them evenly.
   */
  set(
    shape: readonly number[],
    strides: readonly (readonly number[])[],
    widths?: readonly number[],
  ): this {
    const lengths = this.#lengths;
    lengths.length = 0;
    this.length = 0;
    if (shape.includes(0)) return this;
    for (let axis = 0; axis < shape.length; axis++) {
      const length = shape[axis];
      if (length === 1) continue;
      const last = lengths.length - 1;
      let joins = last >= 0;
      for (let i = 0; joins && i < strides.length; i++) {
        joins = this.#strides[i][last] === strides[i][axis] * length;
      }
      const target = joins ? last : last + 1;
      lengths[target] = joins ? lengths[last] * length : length;
      for (let i = 0; i < strides.length; i++) this.#strides[i][target] = strides[i][axis];
    }
    const inner = lengths.length - 1;
    this.length = inner < 0 ? 1 : lengths[inner];
    this.axes = Math.max(0, inner);
    const entries = this.#entries;
    entries.length = this.axes * ENTRY;
    for (let axis = 0; axis < inner; axis++) {
      entries[axis * ENTRY] = lengths[axis];
      entries[axis * ENTRY + 1] = 0;
    }
    for (let i = 0; i < ARRAYS; i++) {
      const width = widths ? widths[i] : 4;
      const its = this.#strides[i];
      const isUsed = i < strides.length;
      if (isUsed) this.steps[i] = inner < 0 ? 0 : its[inner] * width;
      for (let axis = 0; axis < inner; axis++) {
        entries[axis * ENTRY + 2 + i] = isUsed ? its[axis] * width : 0;
      }
    }
    if (inner > 0) this.address = this.#heap.table(this.#room, entries);
    return this;
  }
}
