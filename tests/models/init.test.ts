/** How parameters begin: `init` and `memInit`. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Parameter } from '../../src/autograd/index.js';
import { createModel, presets } from '../../src/models/index.js';

const sizes = { nToken: 40, nLayer: 1, nHead: 4, dModel: 64, dHead: 32, dInner: 128 };
const memory = { numMemTokens: 24, memLen: 24 };

/** The standard deviations of parameters by name. */
async function spread(init: 'narrow' | 'wide' | undefined, memInit: 'distinct' | 'repeated') {
  const model = createModel('rmt', { ...presets.fast, ...sizes, ...memory, init, memInit }, 3);
  const of = async (parameter: Parameter) => {
    const values = Array.from(await parameter.data());
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
  };
  const found = model.parameters();
  const layer = 'decoder.layers.0';
  const names = {
    embedding: 'decoder.embedding',
    memory: 'memory',
    qkv: `${layer}.attention.qkv.weight`,
    output: `${layer}.attention.output.weight`,
    norm: `${layer}.attentionNorm.weight`,
    bias: `${layer}.feedForward.inner.bias`,
  };
  const spreads: Partial<Record<keyof typeof names, number>> = {};
  for (const [short, name] of Object.entries(names)) {
    spreads[short as keyof typeof names] = await of(found[name]);
  }
  model.dispose();
  return spreads;
}

const near = (actual: number | undefined, expected: number) =>
  assert.ok(
    actual !== undefined && Math.abs(actual - expected) <= 0.1 * expected,
    `${actual}, expected about ${expected}`,
  );

test('weights begin N(0, 0.02), or by their inputs where init is wide', async () => {
  for (const narrow of [await spread(undefined, 'distinct'), await spread('narrow', 'distinct')]) {
    for (const name of ['embedding', 'memory', 'qkv', 'output'] as const) near(narrow[name], 0.02);
  }
  const wide = await spread('wide', 'distinct');
  near(wide.qkv, 1 / Math.sqrt(64));
  near(wide.output, 1 / Math.sqrt(128));
  near(wide.embedding, 0.1);
  near(wide.memory, 0.1);
  assert.ok((wide.norm as number) < 0.03);
  assert.is(wide.bias, 0);
});

test('repeated memory begins N(0, 1), whatever init says', async () => {
  for (const init of ['narrow', 'wide'] as const) {
    assert.ok((((await spread(init, 'repeated')).memory as number) - 1) ** 2 < 0.1);
  }
});

test.run();
