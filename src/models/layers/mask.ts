/** Who may look at whom. */
import { type Tensor, tensor } from '../../autograd/index.js';
import type { Backend } from '../../backends/backend.js';
import { checkOptions, flag, needed, requireThat, whole } from '../../options.js';

/** Entries of a mask, 1 GiB: attention of more would not fit either. */
const MOST = 2 ** 28;

/** What a segment consists of: keys are [cache | memory | tokens | memory], queries the same without the cache. */
export interface SegmentLayout {
  /** Tokens of the segment. */
  time: number;
  /** Rows of the cache. */
  cached?: number;
  numMemTokens?: number;
  /** Whether the memory stands at the end too, where it is written. Default true. */
  memAtEnd?: boolean;
  /** Whether memory rows look at the cache. Default false. */
  readMemFromCache?: boolean;
  /** Every row sees just this many rows, the last one being itself, and memory has no rules of its own. */
  window?: number;
}

/**
 * The mask of one segment, int32 [queries, keys] with 1 where a query may look at a key, by the
 * rules of the RMT paper's code: every row sees itself and the keys before it; read memory sees
 * all of the read memory; write memory sees all of the write memory; memory rows see the cache
 * only if `readMemFromCache`.
 */
export function segmentMask(layout: SegmentLayout, backend?: Backend): Tensor {
  const count = whole(0);
  checkOptions('segmentMask', layout, {
    time: needed(whole()),
    cached: count,
    numMemTokens: count,
    memAtEnd: flag,
    readMemFromCache: flag,
    window: count,
  });
  const {
    time,
    cached = 0,
    numMemTokens = 0,
    memAtEnd = true,
    readMemFromCache = false,
  } = layout ?? {};
  const { window } = layout;
  const queries = numMemTokens + time + (memAtEnd ? numMemTokens : 0);
  const firstWrite = numMemTokens + time;
  const sees = (query: number, key: number): boolean => {
    if (window !== undefined) return key <= query && key > query - window;
    const reads = query < numMemTokens;
    const writes = query >= firstWrite;
    if (key < 0) return !(reads || writes) || readMemFromCache; // in the cache
    return key <= query || (reads && key < numMemTokens) || (writes && key >= firstWrite);
  };
  const keys = cached + queries;
  requireThat(
    queries * keys <= MOST,
    'segmentMask: queries × keys',
    `at most ${MOST}`,
    queries * keys,
  );
  const mask = new Int32Array(queries * keys);
  for (let query = 0, at = 0; query < queries; query++) {
    for (let key = -cached; key < queries; key++) mask[at++] = sees(query, key) ? 1 : 0;
  }
  return tensor(mask, { shape: [queries, keys], backend });
}
