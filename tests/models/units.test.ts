import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  add,
  grad,
  mul,
  Parameter,
  sum,
  type Tensor,
  tensor,
  transpose,
} from '../../src/autograd/index.js';
import { Key } from '../../src/autograd/random.js';
import { createModel, presets, type ReferenceTensor } from '../../src/models/index.js';
import {
  FeedForward,
  LayerNorm,
  type Module,
  SelfAttention,
  segmentMask,
  sinusoids,
} from '../../src/nn/index.js';
import { relShift } from '../../src/nn/positions.js';
import { LONG } from '../backends/arrays.js';
import { close, float64, readGolden } from './golden.js';

type Named = Record<string, ReferenceTensor>;
interface Layer {
  params: Named;
  grads: Named;
  out: ReferenceTensor;
  out_cotangent: ReferenceTensor;
  w: ReferenceTensor;
  x: ReferenceTensor;
  r: ReferenceTensor;
  mem: ReferenceTensor | null;
  mask: ReferenceTensor;
  r_w_bias: ReferenceTensor;
  r_r_bias: ReferenceTensor;
}
interface Units {
  positional_embedding: { demb: number; pos_seq: ReferenceTensor; out: ReferenceTensor };
  rel_shift: { in: ReferenceTensor; out: ReferenceTensor };
  rel_shift_square: { in: ReferenceTensor; out: ReferenceTensor };
  rel_attn_nomem: Layer;
  rel_attn_mem3: Layer;
  positionwise_ff: Layer;
  masks: {
    num_mem_tokens: number;
    mlen: number;
    mem_at_end: boolean;
    read_mem_from_cache: boolean;
    tgt_len: number;
    mask: ReferenceTensor;
  }[];
  param_counts: { what: string; config: Record<string, number>; n_all_param: number }[];
}
const units = readGolden<Units>('units');
const options = { key: Key.of(0), dtype: 'float64' } as const;

/** Gives parameters, by their dotted names in `module`, the values of reference tensors. */
function assign(module: Module, values: Record<string, ReferenceTensor>): void {
  for (const [name, parameter] of Object.entries(module.parameters())) {
    assert.ok(values[name], `a value for ${name}`);
    parameter.assign(float64(values[name]));
  }
}

/** Time-major [time, batch, d] to batch-major and back. */
const swap = (x: Tensor) => transpose(x, [1, 0, 2]);

test('sinusoids are [sin | cos] halves', async () => {
  const { demb, pos_seq, out } = units.positional_embedding;
  await close(
    sinusoids(Array.from(pos_seq.data), demb, { dtype: 'float64' }),
    out,
    'sinusoids',
    1e-8,
  );
});

for (const name of ['rel_shift', 'rel_shift_square'] as const) {
  test(`${name}: the literal reshape, wrapped values and all`, async () => {
    await close(relShift(float64(units[name].in)), units[name].out, name, 0);
  });
}

for (const name of ['rel_attn_nomem', 'rel_attn_mem3'] as const) {
  test(`${name}: a relative attention layer, values and gradients`, async () => {
    const unit = units[name];
    const u = new Parameter(float64(unit.r_w_bias));
    const v = new Parameter(float64(unit.r_r_bias));
    const attention = new SelfAttention(16, 2, {
      ...options,
      positions: 'relative-wrapped',
      biases: { u, v },
      separate: true,
    });
    assign(attention, {
      'qkv.weight': unit.params['qkv_net.weight'],
      'output.weight': unit.params['o_net.weight'],
      'position.weight': unit.params['r_net.weight'],
    });
    const norm = new LayerNorm(16, { dtype: 'float64' });
    assign(norm, {
      weight: unit.params['layer_norm.weight'],
      bias: unit.params['layer_norm.bias'],
    });
    const { shape, data } = unit.mask;
    const mask = tensor(
      Int32Array.from(data, (blocked) => 1 - blocked),
      { shape },
    );
    const memory = unit.mem && swap(float64(unit.mem));
    const layer = (x: Tensor) => {
      const context = { mask, cache: memory, table: { relative: float64(unit.r) } };
      const h = swap(x);
      return swap(norm.forward(add(h, attention.forward(h, undefined, context))));
    };
    const w = float64(unit.w);
    await close(layer(w), unit.out, 'output');
    const scalar = (x: Tensor) => sum(mul(layer(x), float64(unit.out_cotangent)));
    await close(grad(scalar)(w), unit.grads.w, 'gradient of the input');
    const parameters = { ...attention.parameters(), w: norm.weight, b: norm.bias, u, v };
    const gradients = grad(scalar, parameters)(w) as Record<string, Tensor>;
    for (const [ours, theirs] of Object.entries({
      'qkv.weight': 'qkv_net.weight',
      'output.weight': 'o_net.weight',
      'position.weight': 'r_net.weight',
      w: 'layer_norm.weight',
      b: 'layer_norm.bias',
      u: 'r_w_bias',
      v: 'r_r_bias',
    })) {
      await close(gradients[ours], unit.grads[theirs], `gradient of ${theirs}`);
    }
  });
}

test('positionwise_ff: the feed-forward layer, values and gradients', async () => {
  const unit = units.positionwise_ff;
  const layer = new FeedForward(16, 32, options);
  assign(layer, {
    'inner.weight': unit.params['CoreNet.0.weight'],
    'inner.bias': unit.params['CoreNet.0.bias'],
    'outer.weight': unit.params['CoreNet.3.weight'],
    'outer.bias': unit.params['CoreNet.3.bias'],
  });
  const norm = new LayerNorm(16, { dtype: 'float64' });
  assign(norm, { weight: unit.params['layer_norm.weight'], bias: unit.params['layer_norm.bias'] });
  const forward = (x: Tensor) => norm.forward(add(x, layer.forward(x)));
  const x = float64(unit.x);
  await close(forward(x), unit.out, 'output');
  const scalar = (y: Tensor) => sum(mul(forward(y), float64(unit.out_cotangent)));
  await close(grad(scalar)(x), unit.grads.x, 'gradient of the input');
  const gradients = grad(scalar, layer.parameters())(x) as Record<string, Tensor>;
  await close(
    gradients['inner.weight'],
    unit.grads['CoreNet.0.weight'],
    'gradient of the inner weight',
  );
  await close(gradients['outer.bias'], unit.grads['CoreNet.3.bias'], 'gradient of the outer bias');
});

for (const unit of units.masks) {
  const { num_mem_tokens, mlen, mem_at_end, read_mem_from_cache, tgt_len, mask } = unit;
  test(`mask: ${num_mem_tokens} memory tokens, cache ${mlen}, at end ${mem_at_end}, reads cache ${read_mem_from_cache}`, async () => {
    const ours = segmentMask({
      time: tgt_len,
      cached: mlen,
      numMemTokens: num_mem_tokens,
      memAtEnd: mem_at_end,
      readMemFromCache: read_mem_from_cache,
    });
    assert.equal([...ours.shape], [...mask.shape]);
    assert.equal(
      [...(await ours.data())],
      Array.from(mask.data, (blocked) => 1 - blocked),
    );
  });
}

for (const { what, config, n_all_param } of units.param_counts) {
  if (n_all_param > 1e7 && !LONG) continue; // drawing 41 million numbers takes 8 seconds
  test(`parameters of the paper's model: ${what}`, () => {
    const { n_token, n_layer, n_head, d_model, d_head, d_inner, num_mem_tokens } = config;
    const model = createModel(num_mem_tokens > 0 ? 'rmt' : 'transformer', {
      ...presets.paper,
      nToken: n_token,
      nLayer: n_layer,
      nHead: n_head,
      dModel: d_model,
      dHead: d_head,
      dInner: d_inner,
      numMemTokens: num_mem_tokens || 1,
      memLen: 1,
    });
    assert.is(model.parameterCount(), n_all_param);
    model.dispose();
  });
}

test.run();
