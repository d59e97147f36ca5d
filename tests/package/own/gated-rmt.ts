/** An RMT whose memory is updated through a gate, in one file of public layers. */
import { add, concat, Key, linear, mul, type Parameter, sigmoid, sub, type Tensor } from 'memgrad';
import { SegmentModel, type SegmentOutput } from 'memgrad/models';
import {
  DecoderLayer,
  Embedding,
  LayerNorm,
  Linear,
  memoryRows,
  perSequence,
  segmentMask,
  splitMemory,
  withMemory,
} from 'memgrad/nn';

export interface GatedConfig {
  nToken: number;
  nLayer: number;
  nHead: number;
  dModel: number;
  numMemTokens: number;
}

export class GatedRMT extends SegmentModel<Tensor> {
  override readonly config: Readonly<GatedConfig>;
  readonly embedding: Embedding;
  readonly memory: Parameter;
  readonly layers: readonly DecoderLayer[];
  readonly norm: LayerNorm;
  readonly gate: Linear;

  constructor(config: GatedConfig, seed = 0) {
    super();
    const { nToken, nLayer, nHead, dModel, numMemTokens } = config;
    const key = Key.of(seed);
    this.config = config;
    this.embedding = new Embedding(nToken, dModel, { key: key.fold(0) });
    this.memory = memoryRows(numMemTokens, dModel, { key: key.fold(1) });
    this.gate = new Linear(2 * dModel, dModel, { key: key.fold(2) });
    this.norm = new LayerNorm(dModel);
    this.layers = Array.from(
      { length: nLayer },
      (_, i) =>
        new DecoderLayer(dModel, nHead, {
          positions: 'rotary',
          rotaryBase: 100,
          dInner: 2 * dModel,
          dropout: 0.05,
          key: key.fold(3 + i),
        }),
    );
  }

  initialState(batch: number): Tensor {
    return perSequence(this.memory, batch);
  }

  forward(tokens: Tensor, memory: Tensor, key?: Key): SegmentOutput<Tensor> {
    const { numMemTokens } = this.config;
    const time = tokens.shape[1];
    const mask = segmentMask({ time, numMemTokens }, tokens.backend);
    let rows = withMemory(memory, this.embedding.forward(tokens));
    this.layers.forEach((layer, i) => {
      rows = layer.forward(rows, key?.fold(i), { mask });
    });
    const { read, memory: written } = splitMemory(this.norm.forward(rows), time, { numMemTokens });
    const keep = sigmoid(this.gate.forward(concat([memory, written], -1)));
    return {
      logits: linear(read, this.embedding.weight),
      state: add(mul(keep, memory), mul(sub(1, keep), written)),
    };
  }
}
