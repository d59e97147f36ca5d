/** What models refuse, and that nothing is changed or kept when they do. */
import { inspect } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Key, memoryReport, Parameter, tensor } from '../../src/autograd/index.js';
import { createWasmBackend } from '../../src/backends/wasm/index.js';
import { MemgradError, OutOfMemory } from '../../src/errors.js';
import {
  createModel,
  EncoderRMT,
  generate,
  loadReference,
  modelNames,
  presets,
  readArrays,
  Stack,
  saveReference,
} from '../../src/models/index.js';
import { DecoderLayer, Linear } from '../../src/nn/index.js';
import { decodeSafetensors, encodeSafetensors } from '../../src/runs/index.js';
import { Copy } from '../../src/tasks/index.js';
import { AdamW, answer, evaluate, train } from '../../src/training/index.js';

const test = suite('refusals');

const sizes = { nToken: 12, nLayer: 1, nHead: 2, dModel: 16, dHead: 8, dInner: 16 };
const config = { ...presets.fast, ...sizes, numMemTokens: 2, memLen: 1 };

function refused(make: () => unknown, message: RegExp): void {
  assert.throws(make, (error: Error) => {
    assert.instance(error, MemgradError);
    assert.match(error.message, message);
    return true;
  });
}

test('an option of no model is refused, one of another model is not', () => {
  for (const name of modelNames) {
    refused(() => createModel(name, { ...config, num_mem_tokens: 10 } as never), /'numMemTokens'/);
    refused(() => createModel(name, { ...config, segmentLength: 8 } as never), /segmentLength/);
    createModel(name, config).dispose();
  }
  refused(() => createModel('rmtt' as 'rmt', config), /no model "rmtt"; did you mean 'rmt'/);
});

test('a missing option is named at once', () => {
  for (const name of modelNames) {
    for (const missing of ['nToken', 'dModel', 'norm', 'finalNorm', 'dropout', 'scaleEmbeddings']) {
      const message = new RegExp(`^model: ${missing} must be .*, got nothing`);
      refused(() => createModel(name, { ...config, [missing]: undefined }), message);
    }
    for (const none of [undefined, null, 5, 'x', {}, []]) {
      refused(() => createModel(name, none as never), /nToken/);
    }
  }
  const { memLen: _, ...noCache } = config;
  refused(
    () => createModel('transformer-xl', noCache as never),
    /^model: memLen must be a whole number >= 1, got nothing/,
  );
  const { numMemTokens: __, ...noMemory } = config;
  for (const name of ['rmt', 'mem-transformer', 'transformer-xl-rmt'] as const) {
    refused(
      () => createModel(name, noMemory as never),
      /^model: numMemTokens must be a whole number >= 1, got nothing/,
    );
  }
});

test('a state of another model, or of another batch size, is refused', () => {
  const tokens = tensor([[1, 2]], { dtype: 'int32' });
  for (const name of modelNames) {
    const model = createModel(name, config);
    const empty = model.initialState(1) === null;
    for (const other of modelNames) {
      const state = createModel(other, { ...config, nLayer: 2, numMemTokens: 3 }).initialState(1);
      if (state === null && empty) continue;
      refused(() => model.forward(tokens, state as never), /^forward: expected a state/);
    }
    if (!empty)
      refused(() => model.forward(tokens, model.initialState(2) as never), /a state with/);
    refused(() => model.forward(tensor([1, 2], { dtype: 'int32' }), null as never), /tokens int32/);
    refused(() => model.forward(tensor([[1, 2]]), null as never), /tokens int32 \[batch, time\]/);
  }
});

test('after a refused push a stream goes on as before', async () => {
  const model = createModel('rmt', config);
  const stream = model.stream({ segmentLength: 4 });
  stream.push([1, 2, 3]);
  const before = [...(await stream.logits().data())];
  for (const bad of [[99], [4, 5, 99], [-1], [1.5], ['x'], [12], 5, 'ab', undefined, tensor([1])]) {
    refused(() => stream.push(bad as never), /stream: (a token|tokens) must be/);
    assert.equal([...(await stream.logits().data())], before);
  }
  stream.push([4, 5]);
  const fresh = model.stream({ segmentLength: 4 });
  fresh.push([1, 2, 3, 4, 5]);
  assert.equal([...(await stream.logits().data())], [...(await fresh.logits().data())]);
});

test('a push that fails in the middle takes back what it read', async () => {
  const model = createModel('rmt', config);
  const stream = model.stream({ segmentLength: 2 });
  stream.push([1, 2, 3]);
  const before = [...(await stream.logits().data())];
  const { buffers } = memoryReport();
  const { advance } = model;
  let calls = 0;
  model.advance = (...args) => {
    if (++calls === 3) throw new OutOfMemory('no room');
    return advance.apply(model, args);
  };
  assert.throws(() => stream.push([4, 5, 6, 7, 8, 9, 10]), /no room/);
  model.advance = advance;
  assert.is(memoryReport().buffers, buffers);
  assert.equal([...(await stream.logits().data())], before);
});

test('generate says what is missing', async () => {
  const stream = createModel('rmt', config).stream({ segmentLength: 4 });
  for (const [options, message] of [
    [undefined, /count/],
    [{ count: 1 }, /nothing was read yet/],
    [{ count: 1, temp: 1 }, /no option "temp"; did you mean 'temperature'/],
  ] as const) {
    const error = await generate(stream, options as never)
      .next()
      .catch((error) => error);
    assert.instance(error, MemgradError);
    assert.match(error.message, message);
  }
});

test('a model that no memory holds is refused before anything is drawn', () => {
  const backend = createWasmBackend({ maximumBytes: 4 * 2 ** 20 });
  backend.uniform = () => {
    throw new Error('numbers were drawn');
  };
  for (const huge of [
    { nToken: 1e6, dModel: 1e6 },
    { dModel: 1e6, dInner: 1e6 },
    { dModel: 1e6, nHead: 1e6 },
    { numMemTokens: 2 ** 40 },
  ]) {
    for (const name of ['rmt', 'mem-transformer', 'transformer-xl-rmt'] as const) {
      refused(() => createModel(name, { ...config, ...huge, backend }), /parameters or more/);
    }
    if (huge.numMemTokens) continue;
    refused(() => new Stack({ ...config, ...huge, backend }, Key.of(0)), /parameters or more/);
    const { dModel = 16, nHead = 2 } = huge;
    if (dModel === 16) continue;
    refused(() => new DecoderLayer(dModel, nHead, { backend }), /out of memory/);
  }
  refused(() => createModel('rmt', { ...config, nLayer: 2 ** 31, backend }), /nLayer must be/);
});

test('a model without room frees what it had made, and one that fits still fits', () => {
  const backend = createWasmBackend({ maximumBytes: 4 * 2 ** 20 });
  const { buffers } = memoryReport();
  const huge = { ...config, nLayer: 40, dInner: 1024, backend };
  for (const name of modelNames) {
    for (let i = 0; i < 3; i++) {
      assert.throws(
        () => createModel(name, huge),
        (error: unknown) => error instanceof OutOfMemory,
      );
    }
    assert.is(memoryReport().buffers, buffers, name);
  }
  const special = { classes: 2, segmentLength: 4, maxSegments: 2, cls: 9, sep: 10, pad: 11 };
  assert.throws(
    () => new EncoderRMT({ ...huge, ...special }),
    (e: unknown) => e instanceof OutOfMemory,
  );
  assert.throws(
    () => new Linear(1000, 1040, { bias: true, backend }),
    (e: unknown) => e instanceof OutOfMemory,
  );
  assert.is(memoryReport().buffers, buffers);
  createModel('rmt', { ...config, nLayer: 8, dInner: 1024, backend }).dispose();
});

test('an optimiser without room for moments is as it was, and a step that fits goes on', async () => {
  const backend = createWasmBackend({ maximumBytes: 2 * 2 ** 20 });
  const w = new Parameter(tensor(new Float32Array(100_000), { backend }));
  const g = tensor(new Float32Array(100_000).fill(1), { backend });
  const full = tensor(new Float32Array(180_000), { backend });
  const adam = new AdamW({ learningRate: 0.5 });
  const { buffers } = memoryReport();
  for (let i = 0; i < 3; i++) {
    assert.throws(
      () => adam.step({ w }, { w: g }),
      (error: unknown) => error instanceof OutOfMemory,
    );
    assert.throws(
      () => adam.resume({ w }, 5),
      (error: unknown) => error instanceof OutOfMemory,
    );
    assert.is(memoryReport().buffers, buffers);
    assert.is(adam.steps, 0);
    assert.equal(Object.keys(adam.state()), []);
  }
  full.dispose();
});

test('training and evaluation without room free what they had made', async () => {
  const task = new Copy({ length: 100, symbols: 10, copies: 1 });
  const backend = createWasmBackend({ maximumBytes: 6 * 2 ** 20 });
  const model = createModel('rmt', { ...config, nLayer: 2, backend });
  const optimizer = new AdamW();
  const { buffers } = memoryReport();
  const options = { model, task, segmentLength: 50, batchSize: 64, backend };
  const failed = async (run: Promise<unknown>) => {
    const error = await run.catch((error) => error);
    assert.instance(error, OutOfMemory);
    assert.is(memoryReport().buffers, buffers);
  };
  await failed(train({ ...options, optimizer, steps: 1 }).next());
  await failed(train({ ...options, optimizer, steps: 1, checkFinite: true }).next());
  await failed(evaluate({ ...options, batchSize: 256, samples: 256, segmentLength: 201 }));
  await failed(answer(model, task.batch(Key.of(1), 256, 'test'), 100, { backend }));
});

test('loadReference takes a record, a Map, a file, decoded or not, and the prefix module.', async () => {
  const paper = { ...config, ...presets.paper, dropout: 0 };
  const make = (seed: number) => createModel('rmt', paper, seed);
  const state = await saveReference(make(1));
  const bytes = encodeSafetensors(new Map(Object.entries(state)));
  const decoded = decodeSafetensors(bytes);
  const prefixed = Object.entries(state).map(([name, array]) => [`module.${name}`, array] as const);
  const expected = await make(1).memory.array();
  for (const source of [
    state,
    bytes,
    decoded,
    decoded.tensors,
    Object.fromEntries(decoded.tensors),
    Object.fromEntries(prefixed),
    new Map(prefixed),
  ]) {
    const model = make(2);
    loadReference(model, source);
    assert.equal(await model.memory.array(), expected);
  }
  refused(() => loadReference(make(2), bytes.buffer as never), /pass new Uint8Array\(buffer\)/);
  refused(() => loadReference(make(2), bytes.slice(0, 100)), /safetensors/);
  const some = Object.fromEntries([...prefixed.slice(1), Object.entries(state)[0]]);
  refused(() => loadReference(make(2), some), /has no '/);
  const big = { ...state, mem_tokens: { shape: [2, 16], data: new BigInt64Array(32) } };
  refused(() => loadReference(make(2), big as never), /"mem_tokens" must be { shape, data }/);
});

test('a configuration that is changed for the next model does not reach the last one', async () => {
  for (const name of modelNames) {
    const own = { ...config };
    const model = createModel(name, own, 1);
    const same = createModel(name, config, 1);
    Object.assign(own, { numMemTokens: 5, memLen: 9, nToken: 3, dHead: 4, scaleEmbeddings: true });
    const [seen, expected] = [model, same].map((one) => {
      const tokens = tensor([[3, 11]], { dtype: 'int32' });
      return (one as typeof model).forward(tokens, one.initialState(1) as never).logits.data();
    });
    assert.equal(await seen, await expected);
  }
  const own = { ...config, classes: 2, segmentLength: 8, maxSegments: 2, cls: 0, sep: 1, pad: 2 };
  const encoder = new EncoderRMT(own);
  own.numMemTokens = 5;
  own.segmentLength = 1;
  assert.is(encoder.forward([[3, 4, 5]]).length, 1);
});

test('console.log of a model is short, and says how large it is', () => {
  const shown = inspect(createModel('rmt', { ...config, nLayer: 12 }));
  assert.match(
    shown,
    /^RMT\(\d+ parameters\)\n {2}decoder.embedding: Parameter\(float32 \[12, 16\]/,
  );
  assert.ok(shown.split('\n').length < 16 && shown.length < 1000, shown);
  assert.match(shown, /… and \d+ more$/);
});

test('readArrays refuses a Map, which has no records, and encodeSafetensors names it', async () => {
  const weight = new Parameter(tensor([1]));
  const map = new Map([['weight', weight]]);
  await readArrays(map as never).then(
    () => assert.unreachable(),
    (error) => assert.match(error.message, /must be a record of tensors, got Map/),
  );
  refused(() => encodeSafetensors(map as never), /pass what readArrays of memgrad\/models returns/);
});

test.run();
