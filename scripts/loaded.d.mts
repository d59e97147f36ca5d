export interface Loaded {
  /** Bytes that are loaded before anything runs. */
  readonly gzipped: number;
  /** Files loaded by dynamic imports, by name. */
  readonly later: readonly string[];
}

export function loaded(
  source: string,
  folder: string,
  options?: { external?: string[] },
): Promise<Loaded>;
export function compressed(bytes: Uint8Array): number;
