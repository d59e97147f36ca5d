/** Where the files of a run are kept. */
import { describe, MemgradError } from '../errors.js';

/**
 * A place for files: a folder, or what a browser offers. Names have at most one folder in them, as
 * `step-120/model.safetensors`. What goes wrong is thrown as a `MemgradError`.
 */
export interface RunStorage {
  /** The names of all files, sorted. */
  list(): Promise<string[]>;
  /** The whole file, of at most `most` bytes. Throws when there is none, it is larger or it cannot be read. */
  read(name: string, most?: number): Promise<Uint8Array>;
  /** Writes the whole file, through to the disk, or leaves what was there when it throws. */
  write(name: string, bytes: Uint8Array): Promise<void>;
  /** The file keeps its first `start` bytes, which it must have, and goes on with `bytes`, through to the disk. */
  append(name: string, bytes: Uint8Array, start: number): Promise<void>;
  /** Removes a file, and its folder with the last one. */
  remove(name: string): Promise<void>;
  /** The bytes of a file. Without it and `readPart`, a log is read whole. */
  size?(name: string): Promise<number>;
  /** The bytes from `start` up to `end`, which the file must have. */
  readPart?(name: string, start: number, end: number): Promise<Uint8Array>;
  /** Takes the place for one training. Throws `MemgradError` while another one has it. */
  lock?(): Promise<RunLock>;
}

/** The right to train in a place, which one training has at a time. */
export interface RunLock {
  /** What the user should know, where the place cannot be locked. */
  readonly note?: string;
  /** Throws `MemgradError` when another training has taken the place meanwhile. */
  check(): Promise<void>;
  /** Lets others have the place. Never throws: what it leaves behind is stale, and is taken over. */
  release(): void;
}

/** Throws `MemgradError` unless `storage`, which `where` was given, is one. */
export function requireStorage(where: string, storage: unknown): void {
  if (typeof (storage as RunStorage | null | undefined)?.list === 'function') return;
  throw new MemgradError(
    `${where}: expected a storage, such as new MemoryStorage(), got ${describe(storage)}.`,
  );
}
