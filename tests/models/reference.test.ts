import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { MemgradError } from '../../src/errors.js';
import {
  createModel,
  loadReference,
  type ModelName,
  modelNames,
  presets,
  type ReferenceTensor,
  saveReference,
} from '../../src/models/index.js';
import { decodeSafetensors, encodeSafetensors } from '../../src/runs/index.js';

const test = suite('reference names');

const sizes = { nToken: 9, nLayer: 2, nHead: 2, dModel: 8, dHead: 3, dInner: 16 };
const make = (name: ModelName, seed: number, extra = {}) =>
  createModel(name, { ...presets.paper, ...sizes, memLen: 4, numMemTokens: 3, ...extra }, seed);

for (const name of modelNames) {
  for (const extra of [{}, { positions: 'absolute' }, { cutoffs: [4, 6] }]) {
    test(`${name} ${JSON.stringify(extra)}: to a file by PyTorch names and back`, async () => {
      const [from, to] = [make(name, 1, extra), make(name, 2, extra)];
      const saved = await saveReference(from);
      const file = encodeSafetensors(new Map(Object.entries(saved)));
      loadReference(to, Object.fromEntries(decodeSafetensors(file).tensors));
      for (const [key, parameter] of Object.entries(to.parameters())) {
        assert.equal(await parameter.data(), await from.parameters()[key].data(), key);
      }
      const count = Object.values(saved).reduce((total, { data }) => total + data.length, 0);
      assert.is(count, from.parameterCount(), 'the tied weight stands there once');
    });
  }
}

test('absolute positions: queries stand apart from keys and values, and there is no u and v', async () => {
  const names = Object.keys(await saveReference(make('rmt', 1, { positions: 'absolute' })));
  assert.ok(names.includes('layers.1.dec_attn.q_net.weight'));
  assert.ok(names.includes('layers.1.dec_attn.kv_net.weight'));
  assert.not.ok(names.some((name) => /qkv_net|r_net|r_w_bias|r_r_bias/.test(name)));
});

test('takes a whole PyTorch state dict: the tied weight twice, and the table of frequencies', async () => {
  const state: Record<string, ReferenceTensor> = { ...(await saveReference(make('rmt', 1))) };
  state['crit.out_layers.0.weight'] = state['word_emb.emb_layers.0.weight'];
  state['pos_emb.inv_freq'] = { shape: [4], data: [1, 1, 1, 1] };
  state.mem_tokens = { ...state.mem_tokens, shape: [3, 1, 8] };
  loadReference(make('rmt', 2), state);
});

test('refuses what does not belong, and changes nothing', async () => {
  const model = make('rmt', 2);
  const before = await saveReference(model);
  const good = await saveReference(make('rmt', 1));
  const embedding = 'word_emb.emb_layers.0.weight';
  const { mem_tokens, ...rest } = good;
  const wrong: [state: Record<string, ReferenceTensor>, message: RegExp][] = [
    [rest, /has no 'mem_tokens' for the parameter 'memory'/],
    [{ ...good, more: mem_tokens }, /no parameter for 'more'/],
    [{ ...good, mem_tokens: { shape: [2, 8], data: new Array(16).fill(0) } }, /\[2, 8\] and 16/],
    [{ ...good, mem_tokens: { shape: [3, 8], data: [1] } }, /\[3, 8\] and 1 values/],
    [
      { ...good, 'crit.out_layers.0.weight': { ...good[embedding], data: new Float32Array(72) } },
      /and 'word_emb.*' differ/,
    ],
  ];
  for (const [state, message] of wrong) {
    assert.throws(
      () => loadReference(model, state),
      (error: Error) => error instanceof MemgradError && message.test(error.message),
    );
  }
  assert.equal(await saveReference(model), before);
});

test('what the published code lacks is named', async () => {
  let message = '';
  try {
    await saveReference(
      createModel('rmt', { ...presets.fast, ...sizes, dHead: 4, memLen: 1, numMemTokens: 1 }),
    );
  } catch (error) {
    message = (error as Error).message;
  }
  assert.match(message, /no counterpart of the parameter 'decoder\.finalNorm\.weight'/);
});

test.run();
