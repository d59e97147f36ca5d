/**
 * A model whose memory tokens are erased between segments, which shows what an answer depends on.
 */
import { type Key, mul, Tensor, type Tree, tensor } from 'memgrad';
import { type MemoryAndCache, SegmentModel, type SegmentOutput } from 'memgrad/models';
import type { Erased } from './messages.js';

/** The state of the wrapped model, and the number of segments that it has read. */
type Counted = { readonly segment: number; readonly inner: Tree };

/**
 * Reads like `model`, but with zeros for the `erased` memory tokens in the segment that reads them.
 * Only memory that is carried between segments can be erased.
 */
export class ErasingModel extends SegmentModel<Counted> {
  constructor(
    readonly model: SegmentModel,
    readonly erased: readonly Erased[],
  ) {
    super();
  }

  initialState(batch: number): Counted {
    return this.#erase({ segment: 0, inner: this.model.initialState(batch) });
  }

  forward(tokens: Tensor, { segment, inner }: Counted, key?: Key): SegmentOutput<Counted> {
    const output = this.model.forward(tokens, inner, key);
    return {
      logits: output.logits,
      state: this.#erase({ segment: segment + 1, inner: output.state }),
    };
  }

  #erase({ segment, inner }: Counted): Counted {
    const memory = memoryOf(inner);
    const gone = this.erased.filter((one) => one.segment === segment).map(({ token }) => token);
    if (!memory || gone.length === 0) return { segment, inner };
    const [, count] = memory.shape;
    const keep = Array.from({ length: count }, (_, token) => [gone.includes(token) ? 0 : 1]);
    const left = mul(memory, tensor(keep, { dtype: 'float32', backend: memory.backend }));
    return {
      segment,
      inner: inner instanceof Tensor ? left : { ...(inner as MemoryAndCache), memory: left },
    };
  }
}

/** The memory in a state, [batch, tokens, dModel]; undefined if the model carries none. */
export function memoryOf(state: Tree): Tensor | undefined {
  if (state instanceof Tensor) return state;
  if (state && typeof state === 'object' && 'memory' in state) return state.memory as Tensor;
  return undefined;
}
