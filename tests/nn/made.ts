/** One of each layer, small, with an input. */
import { Key, normal, relu, type Tensor, tensor } from '../../src/autograd/index.js';
import {
  DecoderLayer,
  Dropout,
  Embedding,
  FeedForward,
  type Layer,
  LayerNorm,
  Linear,
  type Placement,
  RMSNorm,
  SelfAttention,
  Sequential,
} from '../../src/nn/index.js';

/** Where a layer is made, and what its parameters are drawn from. */
export type Place = Required<Placement> & { key: Key };

const rows = ({ dtype, backend }: Required<Placement>) =>
  normal(Key.of(99), [2, 5, 6], { dtype, backend });
const tokens = ({ backend }: Required<Placement>) =>
  tensor([[3, 0, 3, 1, 2]], { dtype: 'int32', backend });

interface Made {
  readonly layer: (place: Place) => Layer;
  readonly input: (place: Required<Placement>) => Tensor;
  /** The shape of the result. */
  readonly shape: readonly number[];
  /** The shapes of the parameters. */
  readonly parameters: Readonly<Record<string, readonly number[]>>;
}

const attention = (more: object) => (place: Place) =>
  new SelfAttention(6, 3, { ...place, dropout: 0.2, causal: true, ...more });
const attentionShapes = { 'qkv.weight': [18, 6], 'output.weight': [6, 6] };
const relativeShapes = { ...attentionShapes, 'position.weight': [6, 6], u: [3, 2], v: [3, 2] };
const norm = (name: string) => ({ [`${name}.weight`]: [6], [`${name}.bias`]: [6] });
const feedForward = { 'inner.weight': [7, 6], 'inner.bias': [7], 'outer.weight': [6, 7] };
const decoderShapes = {
  'attention.qkv.weight': [18, 6],
  'attention.output.weight': [6, 6],
  ...norm('attentionNorm'),
  'feedForward.inner.weight': [7, 6],
  'feedForward.inner.bias': [7],
  'feedForward.outer.weight': [6, 7],
  'feedForward.outer.bias': [6],
  ...norm('feedForwardNorm'),
};
const decoder = (more: object) => (place: Place) =>
  new DecoderLayer(6, 3, { ...place, dInner: 7, dropout: 0.2, dropatt: 0.2, ...more });
const rowsIn = { input: rows, shape: [2, 5, 6] };

/** Every layer by a name for the test. */
export const made: Record<string, Made> = {
  Linear: {
    layer: (place) => new Linear(6, 4, place),
    ...rowsIn,
    shape: [2, 5, 4],
    parameters: { weight: [4, 6], bias: [4] },
  },
  'Linear without bias': {
    layer: (place) => new Linear(6, 4, { ...place, bias: false }),
    ...rowsIn,
    shape: [2, 5, 4],
    parameters: { weight: [4, 6] },
  },
  Embedding: {
    layer: (place) => new Embedding(4, 3, place),
    input: tokens,
    shape: [1, 5, 3],
    parameters: { weight: [4, 3] },
  },
  LayerNorm: {
    layer: (place) => new LayerNorm(6, place),
    ...rowsIn,
    parameters: { weight: [6], bias: [6] },
  },
  RMSNorm: {
    layer: ({ dtype, backend }) => new RMSNorm(6, { dtype, backend, epsilon: 1e-3 }),
    ...rowsIn,
    parameters: { weight: [6] },
  },
  Dropout: { layer: () => new Dropout(0.4), ...rowsIn, parameters: {} },
  FeedForward: {
    layer: (place) => new FeedForward(6, 7, { ...place, dropout: 0.3 }),
    ...rowsIn,
    parameters: { ...feedForward, 'outer.bias': [6] },
  },
  Sequential: {
    layer: (place) =>
      new Sequential(
        new Linear(6, 4, place),
        relu,
        new Dropout(0.3),
        new Linear(4, 2, { ...place, bias: false }),
      ),
    ...rowsIn,
    shape: [2, 5, 2],
    parameters: { 'layers.0.weight': [4, 6], 'layers.0.bias': [4], 'layers.3.weight': [2, 4] },
  },
  SelfAttention: { layer: attention({}), ...rowsIn, parameters: attentionShapes },
  'SelfAttention, separate products, not causal': {
    layer: attention({ separate: true, causal: false }),
    ...rowsIn,
    parameters: attentionShapes,
  },
  'SelfAttention, heads of their own width': {
    layer: attention({ dHead: 1 }),
    ...rowsIn,
    parameters: { 'qkv.weight': [9, 6], 'output.weight': [6, 3] },
  },
  'SelfAttention, rotary': {
    layer: attention({ positions: 'rotary', rotaryBase: 10 }),
    ...rowsIn,
    parameters: attentionShapes,
  },
  'SelfAttention, relative': {
    layer: attention({ positions: 'relative', clampLen: 3, causal: false }),
    ...rowsIn,
    parameters: relativeShapes,
  },
  'SelfAttention, relative-wrapped': {
    layer: attention({ positions: 'relative-wrapped' }),
    ...rowsIn,
    parameters: relativeShapes,
  },
  DecoderLayer: { layer: decoder({}), ...rowsIn, parameters: decoderShapes },
  'DecoderLayer, norm after, rotary': {
    layer: decoder({ norm: 'post', positions: 'rotary' }),
    ...rowsIn,
    parameters: decoderShapes,
  },
};
