/** Where the files of a run are kept. */

/** A place for a few small files: a folder, or what a browser offers. */
export interface RunStorage {
  /** The whole file. Throws `MemgradError` when there is none or it cannot be read. */
  read(name: string): Promise<Uint8Array>;
  /** Writes the whole file or, when it throws `MemgradError`, leaves what was there. */
  write(name: string, bytes: Uint8Array): Promise<void>;
}
