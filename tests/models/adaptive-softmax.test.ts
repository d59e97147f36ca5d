import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  checkGradients,
  Key,
  normal,
  observe,
  type Parameter,
  setDefaultBackend,
  sum,
  type Tensor,
  valueAndGrad,
} from '../../src/autograd/index.js';
import { createCpuBackend } from '../../src/backends/cpu/index.js';
import { MemgradError } from '../../src/errors.js';
import {
  AdaptiveSoftmax,
  createModel,
  presets,
  RMT,
  type TokenTable,
} from '../../src/models/index.js';
import { IGNORED } from '../../src/tasks/index.js';
import { cutSegments, sequenceLoss, streamLoss } from '../../src/training/index.js';

const test = suite('adaptive softmax');
setDefaultBackend(createCpuBackend());

const [nToken, dModel, cutoffs] = [11, 4, [3, 5, 8]];
const key = Key.of(3);
const random = (index: number, shape: number[]) =>
  normal(key.fold(index), shape, { dtype: 'float64' }) as Parameter;
const softmax = new AdaptiveSoftmax({ nToken, dModel, dtype: 'float64' }, cutoffs, key);
softmax.clusters.weight.assign(random(0, [3, dModel]));
softmax.clusters.bias?.assign(random(1, [3]));
const table: TokenTable = { weight: random(2, [nToken, dModel]), bias: random(3, [nToken]) };
const rows = random(4, [2, 6, dModel]);
// Every cluster, its first and last token, and targets that don't count.
const targets = Int32Array.of(0, 2, 3, 4, 5, 7, 8, 10, IGNORED, 9, 6, IGNORED);

/** p(token | row) as Grave et al. define it, in plain numbers. */
async function factorised(row: number[]): Promise<number[]> {
  const weight = await table.weight.array();
  const bias = await table.bias.array();
  const entry = await softmax.clusters.weight.array();
  const entryBias = await (softmax.clusters.bias as Parameter).array();
  const dot = (a: number[], b: number[]) => a.reduce((total, x, i) => total + x * b[i], 0);
  const logit = (w: unknown, b: unknown, i: number) =>
    dot((w as number[][])[i], row) + (b as number[])[i];
  const normalised = (logits: number[]) => {
    const powers = logits.map(Math.exp);
    const total = powers.reduce((a, b) => a + b, 0);
    return powers.map((power) => power / total);
  };
  const head = normalised([
    ...[0, 1, 2].map((i) => logit(weight, bias, i)),
    ...[0, 1, 2].map((i) => logit(entry, entryBias, i)),
  ]);
  const tails = [
    [3, 5],
    [5, 8],
    [8, 11],
  ].map(([start, end], cluster) => {
    const tokens = Array.from({ length: end - start }, (_, i) => start + i);
    const share = head[3 + (2 - cluster)]; // the last cluster first, as in the Transformer-XL code
    return normalised(tokens.map((i) => logit(weight, bias, i))).map((p) => p * share);
  });
  return [...head.slice(0, 3), ...tails.flat()];
}

test('log-probabilities are those of the factorised softmax, and sum to 1', async () => {
  const ours = (await softmax.logProbabilities(rows, table).array()) as number[][][];
  const given = (await rows.array()) as number[][][];
  for (const [b, t] of [
    [0, 0],
    [1, 5],
  ]) {
    const expected = await factorised(given[b][t]);
    assert.ok(Math.abs(expected.reduce((a, p) => a + p, 0) - 1) < 1e-12);
    ours[b][t].forEach((value, i) => {
      assert.ok(Math.abs(value - Math.log(expected[i])) < 1e-12, `token ${i}`);
    });
  }
});

test('losses are the same numbers, computed for the targets alone', async () => {
  const all = (await softmax.logProbabilities(rows, table).array()) as number[][][];
  const losses = softmax.losses(rows, table, targets);
  assert.equal([...losses.shape], [2, 6]);
  (await losses.data()).forEach((loss, i) => {
    const expected = targets[i] < 0 ? 0 : -all[Math.floor(i / 6)][i % 6][targets[i]];
    assert.ok(Math.abs(loss - expected) < 1e-12, `target ${targets[i]}`);
  });
});

test('the gradients of both agree with central differences', async () => {
  const { weight, bias } = softmax.clusters;
  const inputs = [rows, table.weight, table.bias, weight, bias as Parameter];
  const withInputs = ([x, w, b, cw, cb]: readonly Tensor[]) => {
    const other = new AdaptiveSoftmax({ nToken, dModel, dtype: 'float64' }, cutoffs, key);
    Object.assign(other.clusters, { weight: cw, bias: cb });
    return { other, x, table: { weight: w, bias: b } as TokenTable };
  };
  const losses = await checkGradients((...args: Tensor[]) => {
    const { other, x, table } = withInputs(args);
    return sum(other.losses(x, table, targets));
  }, inputs);
  assert.ok(losses.passed, losses.worst);
  const all = await checkGradients((...args: Tensor[]) => {
    const { other, x, table } = withInputs(args);
    return other.logProbabilities(x, table);
  }, inputs);
  assert.ok(all.passed, all.worst);
});

test('a model with cutoffs trains on the same loss either way', async () => {
  const model = createModel('rmt', {
    ...presets.paper,
    dropout: 0,
    dtype: 'float64',
    nToken,
    cutoffs,
    nLayer: 1,
    nHead: 2,
    dModel,
    dHead: 2,
    dInner: 4,
    memLen: 1,
    numMemTokens: 2,
  });
  assert.ok(model instanceof RMT && model.decoder.adaptive);
  const batch = { size: 2, time: 6, inputs: targets.map(Math.abs).map((t) => t % 11), targets };
  const [segment] = cutSegments({ ...batch, promptLength: 1 }, 6);
  const full = valueAndGrad(() => sequenceLoss(model, [segment], 2).loss, model.parameters())();
  const tails = valueAndGrad(
    () => streamLoss(model, segment, 2, undefined).loss,
    model.parameters(),
  )();
  assert.ok(Math.abs((await full[0].item()) - (await tails[0].item())) < 1e-12);
  const { seen } = observe(() => streamLoss(model, segment, 2, undefined));
  assert.equal(seen.get('logits')?.shape, [2, 6, nToken]);
  for (const [name, gradient] of Object.entries(full[1])) {
    const other = await tails[1][name].data();
    (await gradient.data()).forEach((value, i) => {
      assert.ok(Math.abs(value - other[i]) < 1e-12, name);
    });
  }
});

test('cutoffs that make no clusters are refused', () => {
  for (const wrong of [[], [0], [11], [5, 5], [6, 4], [2.5]]) {
    assert.throws(
      () => createModel('transformer', { ...sizes(), cutoffs: wrong }),
      (error: Error) =>
        error instanceof MemgradError &&
        /^model: cutoffs must be whole numbers that rise .*, got /.test(error.message),
    );
  }
});

function sizes() {
  const config = { ...presets.fast, nLayer: 1, nHead: 1, dHead: 4, dInner: 4 };
  return { ...config, nToken, dModel, memLen: 1, numMemTokens: 1 };
}

test.run();
