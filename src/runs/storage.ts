/** The contract of storages, which keep the files of a run. */
import { describe, MemgradError } from '../errors.js';

/**
 * Keeps the files of a run: in a folder, in memory or in a browser. Names have at most one folder in
 * them, such as `step-120/model.safetensors`. All errors are `MemgradError`s.
 */
export interface RunStorage {
  /** The names of all files, sorted. */
  list(): Promise<string[]>;
  /**
   * Reads the whole file, of at most `most` bytes. Throws when it doesn't exist, is larger or
   * cannot be read.
   */
  read(name: string, most?: number): Promise<Uint8Array>;
  /** Writes the whole file durably. If it throws, the old file is unchanged. */
  write(name: string, bytes: Uint8Array): Promise<void>;
  /**
   * Keeps the first `start` bytes of the file, which must not be shorter, and writes `bytes` after
   * them, durably.
   */
  append(name: string, bytes: Uint8Array, start: number): Promise<void>;
  /** Removes a file, and its folder if it was the last one in it. */
  remove(name: string): Promise<void>;
  /** The length of a file in bytes. Without this and `readPart`, a log is read whole. */
  size?(name: string): Promise<number>;
  /** Reads the bytes from `start` to `end` (exclusive), which the file must have. */
  readPart?(name: string, start: number, end: number): Promise<Uint8Array>;
  /**
   * Makes the storage ready for a new run, as a folder that doesn't exist yet. Throws
   * `MemgradError` where it holds something already.
   */
  prepare?(): Promise<void>;
  /**
   * Locks the storage for one training. Throws `MemgradError` while another training has the lock.
   */
  lock?(): Promise<RunLock>;
}

/** The lock of a storage, which only one training has at a time. */
export interface RunLock {
  /** A sentence for the user, where the storage cannot be locked. */
  readonly note?: string;
  /** Throws `MemgradError` if another training has taken over the lock. */
  check(): Promise<void>;
  /** Releases the lock. Never throws: a lock that remains is stale, and can be taken over. */
  release(): void;
}

/** Throws `MemgradError` unless `storage`, an argument of `where`, is a storage. */
export function requireStorage(where: string, storage: unknown): void {
  if (typeof (storage as RunStorage | null | undefined)?.list === 'function') return;
  throw new MemgradError(
    `${where}: expected a storage, such as new MemoryStorage(), got ${describe(storage)}.`,
  );
}
