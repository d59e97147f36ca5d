/** Attention masks. */
import { type Tensor, tensor } from '../autograd/index.js';
import type { Backend } from '../backends/backend.js';
import { checkOptions, flag, needed, requireThat, whole } from '../options.js';

/**
 * The maximum number of mask entries, 1 GiB: attention over more would not fit in memory either.
 */
const MOST = 2 ** 28;

/**
 * The layout of a segment: keys are [cache | memory | tokens | memory], queries the same without
 * the cache.
 */
export interface SegmentLayout {
  /** Tokens of the segment. */
  time: number;
  /** Rows of the cache. */
  cached?: number;
  numMemTokens?: number;
  /** Whether memory is also appended at the end, where it is written. Default true. */
  memAtEnd?: boolean;
  /** Whether memory rows attend to the cache. Default false. */
  readMemFromCache?: boolean;
  /**
   * Every row sees exactly this many rows, including itself as the last; memory rows are no
   * exception.
   */
  window?: number;
}

/**
 * Returns the mask of one segment, int32 [queries, keys] with 1 where a query may attend to a key,
 * by the rules of the RMT paper's code: every row sees itself and the keys before it; read memory
 * sees all of the read memory; write memory sees all of the write memory; memory rows see the cache
 * only with `readMemFromCache`.
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
