/** Freed GPU buffers by size, kept for reuse. */

/** What a pool holds: something of a size in bytes. */
interface Sized {
  readonly bytes: number;
}

/**
 * Returns the size that a buffer for `bytes` bytes gets: the next of eight sizes between two powers
 * of two, so that few sizes arise and at most an eighth is unused. A multiple of 16.
 */
export function sizeClass(bytes: number): number {
  const step = Math.max(16, 2 ** (Math.floor(Math.log2(Math.max(bytes, 1))) - 3));
  return Math.max(16, Math.ceil(bytes / step) * step);
}

/** Keeps up to `mostBytes` of freed values in total, and destroys the rest. */
export class Pool<T extends Sized> {
  readonly #free = new Map<number, T[]>();
  #bytes = 0;
  #made = 0;

  constructor(
    readonly mostBytes: number,
    readonly create: (bytes: number) => T,
    readonly destroy: (value: T) => void,
  ) {}

  /** The number of values that exist, in use or pooled. */
  get made(): number {
    return this.#made;
  }

  /** Returns a freed value of `bytes` bytes that is `usable`, or a new one. */
  take(bytes: number, usable: (value: T) => boolean = () => true): T {
    const free = this.#free.get(bytes);
    if (free) {
      // The last one freed is the most likely to be in a cache.
      for (let i = free.length - 1; i >= 0; i--) {
        if (!usable(free[i])) continue;
        this.#bytes -= bytes;
        return free.splice(i, 1)[0];
      }
    }
    this.#made++;
    return this.create(bytes);
  }

  give(value: T): void {
    if (this.#bytes + value.bytes > this.mostBytes) {
      this.#made--;
      this.destroy(value);
      return;
    }
    this.#bytes += value.bytes;
    const free = this.#free.get(value.bytes);
    if (free) free.push(value);
    else this.#free.set(value.bytes, [value]);
  }
}
