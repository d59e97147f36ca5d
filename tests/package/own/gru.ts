/** A GRU as a language model, as someone outside the repository writes it. */
import {
  add,
  chunk,
  Key,
  mul,
  sigmoid,
  slice,
  squeeze,
  stack,
  sub,
  type Tensor,
  tanh,
  zeros,
} from 'memgrad';
import { SegmentModel, type SegmentOutput } from 'memgrad/models';
import { Embedding, Linear } from 'memgrad/nn';

export class GRU extends SegmentModel<Tensor> {
  override readonly config: { readonly nToken: number };
  readonly width: number;
  readonly embedding: Embedding;
  readonly input: Linear;
  readonly hidden: Linear;
  readonly output: Linear;

  constructor(nToken: number, width: number, seed = 0) {
    super();
    const key = Key.of(seed);
    this.config = { nToken };
    this.width = width;
    this.embedding = new Embedding(nToken, width, { key: key.fold(0) });
    this.input = new Linear(width, 3 * width, { key: key.fold(1) });
    this.hidden = new Linear(width, 3 * width, { key: key.fold(2) });
    this.output = new Linear(width, nToken, { key: key.fold(3) });
  }

  initialState(batch: number): Tensor {
    return zeros([batch, this.width]);
  }

  forward(tokens: Tensor, state: Tensor): SegmentOutput<Tensor> {
    const inputs = this.input.forward(this.embedding.forward(tokens));
    const states: Tensor[] = [];
    for (let t = 0; t < tokens.shape[1]; t++) {
      const [r, z, n] = chunk(squeeze(slice(inputs, 1, t, t + 1), 1), 3, -1);
      const [ofR, ofZ, ofN] = chunk(this.hidden.forward(state), 3, -1);
      const reset = sigmoid(add(r, ofR));
      const keep = sigmoid(add(z, ofZ));
      const candidate = tanh(add(n, mul(reset, ofN)));
      state = add(mul(keep, state), mul(sub(1, keep), candidate));
      states.push(state);
    }
    return { logits: this.output.forward(stack(states, 1)), state };
  }
}
