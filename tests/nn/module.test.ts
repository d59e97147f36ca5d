/** Modules: where parameters are found, what is refused, and what consoles and `summary` show. */
import { inspect } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Key, Parameter, relu, type Tensor, tensor, zeros } from '../../src/autograd/index.js';
import { createWasmBackend } from '../../src/backends/wasm/index.js';
import { MemgradError } from '../../src/errors.js';
import { setDefaultBackend } from '../../src/index.js';
import {
  Dropout,
  Embedding,
  type Layer,
  LayerNorm,
  Linear,
  Module,
  Sequential,
  summary,
} from '../../src/nn/index.js';

const test = suite('module');
setDefaultBackend(createWasmBackend());

function refused(make: () => unknown, message: RegExp): void {
  assert.throws(make, (error: Error) => {
    assert.instance(error, MemgradError);
    assert.match(error.message, message);
    return true;
  });
}

test('Linear takes what PyTorch takes', async () => {
  const [a, b] = [new Linear(3, 4), new Linear(3, 4)];
  assert.equal([a.weight.shape, a.bias?.shape], [[4, 3], [4]]);
  assert.not.equal(await a.weight.array(), await b.weight.array());
  const [c, d] = [1, 1].map((seed) => new Linear(300, 400, { bias: false, key: Key.of(seed) }));
  assert.equal(await c.weight.array(), await d.weight.array());
  assert.is(c.bias, undefined);
  const values = await c.weight.data();
  const variance =
    Array.from(values).reduce((sum, value) => sum + value * value, 0) / values.length;
  assert.ok(Math.abs(variance * 300 - 1) < 0.02, `N(0, 1 / √in): ${variance}`);
  refused(() => new Linear(3, 4, Key.of(1) as never), /Linear: /);
  refused(() => new Linear(3, 4, { biass: false } as never), /did you mean 'bias'/);
  refused(() => new Linear(3, 0), /Linear: outputs must be a whole number >= 1/);
});

class Holder extends Module {
  constructor(readonly held: unknown) {
    super();
  }
}

test('parameters are found in fields, lists, plain records and modules', () => {
  const layer = () => new Linear(2, 2, { bias: false });
  const found = (held: unknown) => Object.keys(new Holder(held).parameters());
  assert.equal(found(layer()), ['held.weight']);
  assert.equal(found([layer(), [layer()]]), ['held.0.weight', 'held.1.0.weight']);
  assert.equal(found({ a: layer(), b: { c: layer() } }), ['held.a.weight', 'held.b.c.weight']);
  assert.equal(found(Object.assign(Object.create(null), { a: layer() })), ['held.a.weight']);
  assert.equal(found({ n: 1, s: 'x', f: () => 1, d: new Date(), m: new Map([[1, 2]]) }), []);
  const hidden = Object.defineProperty({}, 'inner', { value: layer() });
  assert.equal(found(hidden), ['held.inner.weight']);
  assert.equal(found({ [Symbol('of a library')]: 1, ask: () => 1, Class: Linear }), []);
  assert.equal(found({ set: new Set(['a']), data: new Float32Array(9), none: null }), []);
});

test('parameters that would be lost are refused', () => {
  const layer = new Linear(2, 2);
  const { weight } = layer;
  class Plain {
    weight = weight;
  }
  class Deep {
    layers = [{ layer }];
  }
  for (const held of [
    new Map([['a', layer]]),
    new Map([[layer, 'a']]),
    new Set([weight]),
    new Map([['a', [layer]]]),
    [new Map([['a', { layer }]])],
    { list: [new Set([[layer]])] },
    Object.assign(() => 1, { layer }),
    { [Symbol('inner')]: layer },
    { [Symbol('inner')]: { list: [weight] } },
    new Plain(),
    new Deep(),
    tensor([1]),
    { mask: tensor([1]) },
    { 'a.weight': weight, a: { weight } },
  ]) {
    refused(() => new Holder(held).parameters(), /^parameters: 'held.*(not a Parameter|not found)/);
    refused(() => new Holder(held).parameterCount(), /^parameters: /);
  }
});

test('a module that keeps parameters in #fields lists them by overriding parameters()', () => {
  class Private extends Module {
    readonly #inner = new Linear(2, 2, { bias: false });
    readonly #mask = tensor([1]); // a constant
    override parameters() {
      void this.#mask;
      return { inner: this.#inner.weight };
    }
  }
  assert.equal(Object.keys(new Private().parameters()), ['inner']);
  assert.equal(Object.keys(new Holder([new Private()]).parameters()), ['held.0.inner']);
});

test('modules that hold each other are listed once', () => {
  class Child extends Module {
    readonly layer = new Linear(2, 2, { bias: false });
    parent: Module | undefined;
  }
  class Parent extends Module {
    readonly child = new Child();
    readonly self: Record<string, unknown> = {};
  }
  const parent = new Parent();
  parent.child.parent = parent;
  parent.self.again = parent.self;
  assert.equal(Object.keys(parent.parameters()), ['child.layer.weight']);
  refused(() => new Holder([parent, tensor([1])]).parameters(), /held.1/);
  assert.equal(Object.keys(parent.parameters()), ['child.layer.weight'], 'after a refusal too');
});

test('a module with #fields keeps those that the base class finds', () => {
  class Scaled extends Module {
    readonly layer = new Linear(2, 2, { bias: false });
    readonly #scale = new Parameter(tensor(1));
    override parameters() {
      return { ...super.parameters(), scale: this.#scale };
    }
  }
  assert.equal(Object.keys(new Scaled().parameters()), ['layer.weight', 'scale']);
  const outer = new Holder({ scaled: new Scaled() });
  assert.equal(Object.keys(outer.parameters()), ['held.scaled.layer.weight', 'held.scaled.scale']);
  assert.is(outer.parameterCount(), 5);
});

test('a model is no JSON, and a console shows its parameters without values', () => {
  refused(() => JSON.stringify(new Linear(2, 3)), /^Linear: a model cannot be written as JSON/);
  const two = inspect({ layer: new Linear(2, 3) });
  assert.match(two, /Linear\(9 parameters\)\n +weight: Parameter\(float32 \[3, 2\] on/);
});

test('Sequential applies modules and functions in order, and gives each its key', async () => {
  const [first, last] = [new Linear(2, 3), new Linear(3, 1)];
  const all = new Sequential(first, relu, last);
  const x = tensor([[1, -2]]);
  const expected = last.forward(relu(first.forward(x)));
  assert.equal(await all.forward(x).array(), await expected.array());
  const keys: (Key | undefined)[] = [];
  class Sees extends Module {
    forward(x: Tensor, key?: Key): Tensor {
      keys.push(key);
      return x;
    }
  }
  const key = Key.of(7);
  new Sequential(new Sees(), new Sees()).forward(x, key);
  new Sequential(new Sees()).forward(x);
  assert.equal(keys, [key.fold(0), key.fold(1), undefined]);
  const nested: Layer = new Sequential(new Sequential(new Linear(2, 2)), new Dropout(0.1));
  assert.equal(Object.keys(nested.parameters()), [
    'layers.0.layers.0.weight',
    'layers.0.layers.0.bias',
  ]);
  assert.equal(await new Sequential().forward(x).array(), await x.array());
  for (const layer of [undefined, 3, {}, new Holder(1), [first]]) {
    refused(() => new Sequential(first, layer as never), /layer 1 must be a function or a Module/);
  }
});

class Tied extends Module {
  readonly embedding = new Embedding(50, 40);
  readonly scale = new Parameter(zeros([40]));
  readonly blocks = [new Sequential(new Linear(40, 40, { bias: false }), relu, new LayerNorm(40))];
  readonly output = { weight: this.embedding.weight, bias: new Parameter(zeros([50])) };
}

test('summary lists layers with shapes and counts, a tied weight once', () => {
  assert.equal(summary(new Tied()).split('\n'), [
    'embedding          Embedding  weight [50, 40]             2,000',
    '                   Tied       scale [40]                     40',
    'blocks.0.layers.0  Linear     weight [40, 40]             1,600',
    'blocks.0.layers.2  LayerNorm  weight [40], bias [40]         80',
    'output                        weight [50, 40], bias [50]     50',
    'total              Tied                                   3,770',
  ]);
  assert.is(summary(new Dropout()), 'total  Dropout    0');
  for (const model of [undefined, null, 1, {}, [new Linear(1, 1)]]) {
    refused(() => summary(model as never), /^summary: model must be a Module, got/);
  }
});

test.run();
