/** Models saved and loaded as one file, with the state of their training. */
import { lstat, mkdtemp, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  Key,
  linear,
  mean,
  memoryReport,
  normal,
  Parameter,
  scope,
  square,
  sub,
  type Tensor,
  tanh,
  tensor,
} from '../../src/autograd/index.js';
import { loadBackend } from '../../src/backends/index.js';
import { MemgradError } from '../../src/errors.js';
import { createModel, presets } from '../../src/models/index.js';
import { decodeSafetensors, encodeSafetensors, MemoryStorage } from '../../src/runs/index.js';
import { loadFile, saveFile } from '../../src/runs/node/index.js';
import {
  Adafactor,
  AdamW,
  fit,
  load,
  Muon,
  SGD,
  save,
  shuffled,
} from '../../src/training/index.js';

const test = suite('saved models');

const parameter = (values: number[]) => scope(() => new Parameter(tensor(values)));
const network = (seed = 1) => {
  const made = (i: number, shape: number[]) =>
    scope(() => new Parameter(normal(Key.of(seed).fold(i), shape)));
  return { w1: made(0, [8, 2]), b1: made(1, [8]), w2: made(2, [1, 8]), b2: made(3, [1]) };
};
type Network = ReturnType<typeof network>;

const bits = async (...all: Record<string, Tensor>[]) => {
  const tensors = all.flatMap((one) => Object.entries(one));
  const data = await Promise.all(tensors.map(([, one]) => one.data()));
  return tensors.map(([name], i) => `${name} ${data[i]}`);
};

const arrays = { x: [[0, 0], [0, 1], [1, 0], [1, 1]], y: [[0], [1], [1], [0]] }; // biome-ignore format: rows
const training = (net: Network, optimizer: AdamW, more: { steps: number; stepsTaken?: number }) =>
  fit({
    parameters: net,
    loss: ({ x, y }) => {
      const hidden = tanh(linear(x, net.w1, net.b1));
      return mean(square(sub(linear(hidden, net.w2, net.b2), y)));
    },
    batches: shuffled(arrays, { batchSize: 3, seed: 5 }),
    optimizer,
    ...more,
  });

for (const make of [
  () => new AdamW({ learningRate: 0.03, ema: 0.9 }),
  () => new Adafactor({ learningRate: 0.03 }),
  () => new Muon({ learningRate: 0.03 }),
  () => new SGD({ learningRate: 0.03, momentum: 0.9 }),
] as (() => AdamW)[]) {
  test(`a training that is saved, loaded elsewhere and resumed has the same bits: ${make().constructor.name}`, async () => {
    const [whole, optimizer] = [network(), make()];
    for await (const _ of training(whole, optimizer, { steps: 20 }));
    const [first, before] = [network(), make()];
    for await (const _ of training(first, before, { steps: 11 }));
    const storage = new MemoryStorage();
    await storage.write('model.safetensors', await save(first, { optimizer: before, step: 11 }));

    const [second, after] = [network(2), make()];
    const bytes = await storage.read('model.safetensors');
    const { step } = load(second, bytes, { optimizer: after });
    assert.is(step, 11);
    assert.is(after.steps, 11);
    for await (const _ of training(second, after, { steps: 20, stepsTaken: step })) assert.ok(_);
    assert.equal(await bits(second, after.state()), await bits(whole, optimizer.state()));
    assert.equal(
      [...(await save(second, { optimizer: after }))],
      [...(await save(whole, { optimizer }))],
    );
    // The same file without an optimiser: its moments are not asked for.
    const third = network(3);
    load(third, bytes);
    assert.equal(await bits(third), await bits(first));
  });
}

test('a model of memgrad, with its configuration and its tokenizer’s words', async () => {
  const config = {
    ...presets.fast,
    nToken: 5,
    nLayer: 1,
    nHead: 2,
    dModel: 8,
    dHead: 4,
    dInner: 8,
    numMemTokens: 2,
  };
  const model = createModel('rmt', config, 1);
  const words = ['the', '“quoted” ⟂', '', 'e\u0301'];
  const bytes = await save(model, { data: { name: 'rmt', config, words } });
  const { data, step } = load(createModel('rmt', config, 2), bytes);
  assert.equal(data, { name: 'rmt', config, words });
  assert.is(step, undefined);
  const again = createModel('rmt', config, 3);
  load(again, bytes);
  assert.equal(await bits(again.parameters()), await bits(model.parameters()));
  assert.equal(
    [...decodeSafetensors(bytes).tensors.keys()],
    Object.keys(model.parameters()).sort(),
  );
});

test('a file of another library, in half precision, and tied parameters', async () => {
  const stored = new Map([['w', { dtype: 'float32', shape: [2], data: Float32Array.of(1.5, -2) }]]);
  const w = parameter([0, 0]);
  assert.equal(load({ w }, encodeSafetensors(stored as never, {}, { dtype: 'F16' })), {
    step: undefined,
    data: undefined,
  });
  assert.equal(await w.array(), [1.5, -2]);
  const bytes = await save({ a: w, b: w });
  assert.equal([...decodeSafetensors(bytes).tensors.keys()], ['a']);
  const other = parameter([0, 0]);
  load({ a: other, b: other }, bytes);
  assert.equal(await other.array(), [1.5, -2]);
});

test('float64 on cpu is kept bit for bit', async () => {
  const backend = await loadBackend('cpu');
  const make = (value: number) => new Parameter(tensor([value], { dtype: 'float64', backend }));
  const [w, v] = [make(0.1), make(0)];
  load({ w: v }, await save({ w }));
  assert.is(await v.item(), 0.1);
});

test('what does not fit is one sentence, and nothing is changed', async () => {
  const net = network();
  const optimizer = new AdamW();
  for await (const _ of training(net, optimizer, { steps: 3 }));
  const good = await save(net, { optimizer, step: 3 });
  const plain = await save(net);
  const { w1, ...three } = net;
  const wide = scope(() => new Parameter(normal(Key.of(1), [2, 8])));
  const whole = scope(() => new Parameter(tensor([1], { dtype: 'int32' })));
  const edited = (change: (metadata: Record<string, string>) => void) => {
    const { tensors, metadata } = decodeSafetensors(good);
    const changed = { ...metadata };
    change(changed);
    return encodeSafetensors(tensors, changed);
  };
  const fresh = new AdamW();
  const used = new SGD({ momentum: 0.9 });
  for await (const _ of training(net, used as never, { steps: 2 }));
  const saved = await save(net, { optimizer: used });
  const before = await bits(net, optimizer.state(), used.state());
  const live = memoryReport().buffers;
  for (const [model, bytes, options, message] of [
    [net, good.slice(0, -1), {}, /safetensors/],
    [net, new Uint8Array(), {}, /safetensors/],
    [net, 'text', {}, /bytes as a Uint8Array/],
    [
      three,
      plain,
      {},
      /^load: the file has a tensor "w1" that the model does not have; it must come from the same model\.$/,
    ],
    [{ ...net, more: wide }, plain, {}, /^load: the file lacks the tensor 'more' of the model/],
    [
      { ...three, w1: wide },
      plain,
      {},
      /^load: the file has 'w1' as float32 \[8, 2\], but the model needs float32 \[2, 8\]/,
    ],
    [
      { ...net, b2: whole },
      plain,
      {},
      /^load: the file has 'b2' as float32 \[1\], but the model needs int32/,
    ],
    [
      net,
      plain,
      { optimizer: fresh },
      /^load: the file has no state of an optimiser; load it without/,
    ],
    [
      net,
      saved,
      { optimizer: fresh },
      /^load: the file .*'optimizer\.first\.w1'|^load: the file has a tensor "optimizer.velocity.b1"/,
    ],
    [
      net,
      good,
      { optimizer: used },
      /^load: the file .*that the model and optimiser does not have; load it into .* new optimiser of the same kind and options\.$/,
    ],
    [{ ...three, w1: wide }, good, { optimizer: fresh }, /^load: the file has/],
    [net, good, { optimizer: {} }, /^load: optimizer must be an optimiser, as new AdamW\(\)/],
    [net, good, { step: 3 }, /^load: there is no option "step"/],
    [
      net,
      edited((metadata) => {
        metadata.step = '-3';
      }),
      {},
      /^load: step in the metadata of the file must be/,
    ],
    [
      net,
      edited((metadata) => {
        metadata.optimizerSteps = 'x';
      }),
      {},
      /^load: optimizerSteps in the metadata/,
    ],
    [
      net,
      edited((metadata) => {
        metadata.data = '{';
      }),
      {},
      /^load: the file has data that isn't JSON; save it again\.$/,
    ],
    [{}, good, {}, /^load: there are no parameters/],
    [
      5,
      good,
      {},
      /^load: expected a model with parameters\(\), or Parameters by name, as { w, b }, got 5\.$/,
    ],
  ] as [never, never, never, RegExp][]) {
    try {
      load(model, bytes, options);
      assert.unreachable(`${message}`);
    } catch (error) {
      assert.instance(error, MemgradError, String(error));
      assert.match((error as Error).message, message);
    }
    assert.equal(await bits(net, optimizer.state(), used.state()), before);
    assert.equal([fresh.steps, used.steps, optimizer.steps], [0, 2, 3]);
    assert.is(memoryReport().buffers, live);
  }
});

test('what cannot be saved is one sentence', async () => {
  const w = parameter([1]);
  const cyclic: unknown[] = [];
  cyclic.push(cyclic);
  for (const [model, options, message] of [
    [{ w }, { data: cyclic }, /^save: data is a list of 1, which JSON can't represent/],
    [{ w }, { data: () => 1 }, /^save: data is a function/],
    [{ w }, { data: { w } }, /^save: data is an object, which JSON can't represent/],
    [{ w }, { step: 1.5 }, /^save: step must be a whole number/],
    [{ w }, { steps: 1 }, /^save: there is no option "steps"; did you mean 'step'/],
    [
      { 'optimizer.w': w },
      { optimizer: new SGD() },
      /^save: the parameter "optimizer.w" has the name of a moment/,
    ],
    [{ w: tensor([1]) }, {}, /^save: "w" is .*expected a Parameter/],
    [undefined, {}, /^save: expected a model with parameters\(\)/],
  ] as [never, never, RegExp][]) {
    const error = await save(model, options).catch((error) => error);
    assert.instance(error, MemgradError, String(error));
    assert.match(error.message, message);
  }
});

test('a file that does not fit leaves the moments of an optimiser', async () => {
  const w = parameter([1, 2]);
  const optimizer = new SGD({ momentum: 0.9 });
  optimizer.step({ w }, { w: tensor([4, 4]) });
  const other = { w: parameter([1, 2, 3]) };
  for (const theirs of [new SGD({ momentum: 0.9 }), new SGD()]) {
    const bytes = await save(other, { optimizer: theirs });
    assert.throws(() => load({ w }, bytes, { optimizer }), /load: the file/);
    assert.is(optimizer.steps, 1);
    assert.equal(await optimizer.state()['velocity.w'].array(), [4, 4]);
  }
});

test('files on disk: written as a whole, read again, and errors that name them', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'memgrad-save-'));
  const path = join(folder, 'xor.safetensors');
  const [w, v] = [parameter([1, 2]), parameter([0, 0])];
  await saveFile({ w }, path, { step: 2, data: 'x' });
  assert.equal(await loadFile({ w: v }, path), { step: 2, data: 'x' });
  assert.equal(await v.array(), [1, 2]);
  assert.equal([...(await readFile(path))], [...(await save({ w }, { step: 2, data: 'x' }))]);
  const [link, nowhere] = [join(folder, 'link'), join(folder, 'nowhere')];
  await symlink(path, link);
  await symlink(join(folder, 'gone'), nowhere);
  await writeFile(`${path}.tmp`, 'mine');
  await Promise.all([0, 1, 2, 3].map((step) => saveFile({ w }, link, { step })));
  assert.ok((await lstat(link)).isSymbolicLink());
  assert.ok(((await loadFile({ w: v }, path)).step ?? -1) >= 0, 'one of four, whole');
  assert.equal((await readdir(folder)).sort(), [
    'link',
    'nowhere',
    'xor.safetensors',
    'xor.safetensors.tmp',
  ]);
  assert.is((await readFile(`${path}.tmp`)).toString(), 'mine');
  await writeFile(path, 'text');
  for (const [call, message] of [
    [() => loadFile({ w }, path), /safetensors/],
    [() => loadFile({ w }, join(folder, 'none')), /^Cannot read '.*none': there is no such file/],
    [
      () => loadFile({ w }, folder),
      /^Cannot read '.*': it is not a file; name a file that saveFile wrote/,
    ],
    [
      () => saveFile({ w }, join(folder, 'a', 'b')),
      /^Cannot write '.*': there is no such file or folder/,
    ],
    [() => saveFile({ w }, ''), /^saveFile: path must be the path of a file, got ""/],
    [() => saveFile({ w }, '..'), /^Cannot write '..': it is not a file; name another/],
    [() => saveFile({ w }, '/dev/null'), /^Cannot write '.*null': it is not a file; name another/],
    [() => saveFile({ w }, nowhere), /it is a link that leads nowhere; remove it/],
  ] as [() => Promise<unknown>, RegExp][]) {
    const error = (await call().catch((error) => error)) as Error;
    assert.instance(error, MemgradError, String(error));
    assert.match(error.message, message);
  }
  assert.is((await readFile(path)).toString(), 'text');
});

test.run();
