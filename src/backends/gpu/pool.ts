/** Freed memory of a GPU by size, kept for reuse. */

/** Keeps up to `most` of freed values in total, in any unit of size, and destroys the rest. */
export class Pool<T> {
  readonly #free = new Map<number, T[]>();
  #kept = 0;
  #made = 0;

  constructor(
    readonly most: number,
    readonly create: (size: number) => T,
    readonly destroy: (value: T) => void,
  ) {}

  /** The number of values that exist, in use or pooled. */
  get made(): number {
    return this.#made;
  }

  /** Returns a freed value of this size that is `usable`, or a new one. */
  take(size: number, usable: (value: T) => boolean = () => true): T {
    const free = this.#free.get(size) ?? [];
    // The last one freed is the most likely to be in a cache.
    for (let i = free.length - 1; i >= 0; i--) {
      if (!usable(free[i])) continue;
      this.#kept -= size;
      return free.splice(i, 1)[0];
    }
    const made = this.create(size);
    this.#made++;
    return made;
  }

  give(size: number, value: T): void {
    if (this.#kept + size > this.most) {
      this.#made--;
      this.destroy(value);
      return;
    }
    this.#kept += size;
    const free = this.#free.get(size);
    if (free) free.push(value);
    else this.#free.set(size, [value]);
  }
}
