export interface Loaded {
  /** Bytes of what comes before anything runs. */
  readonly gzipped: number;
  /** The rest, by name: what a dynamic import asks for. */
  readonly later: readonly string[];
}

export function loaded(
  source: string,
  folder: string,
  options?: { external?: string[] },
): Promise<Loaded>;
export function compressed(bytes: Uint8Array): number;
