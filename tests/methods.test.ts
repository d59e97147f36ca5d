/** Operations as methods: every operation of tensors, with the types and results of the function. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as functions from '../src/autograd/operations/by-name.js';
import { categories } from '../src/autograd/operations/table.js';
import { MemgradError } from '../src/errors.js';
import { grad, type Key, Parameter, Tensor, tensor } from '../src/index.js';
import { type MethodName, methodNames } from '../src/methods/index.js';

const test = suite('methods');

type Functions = typeof functions;
/** The names of the operations that accept a tensor first, as their types say. */
type TensorFirst = {
  [Name in keyof Functions]: Functions[Name] extends (...args: infer Args) => unknown
    ? Tensor extends Args[0]
      ? Name
      : never
    : never;
}[keyof Functions];
type Same<A, B> = [A, B] extends [B, A] ? true : never;

/** Compiles only if the methods are the operations of the table that accept a tensor first. */
export const isEvery: Same<MethodName, TensorFirst & keyof typeof categories> = true;

/** Compiles, and is never run. */
export function compiles(x: Tensor, key: Key): unknown[] {
  const y: Tensor = x.mul(2).add(x).sum(-1, { keepDims: true });
  const parts: Tensor[] = x.split(2, -1);
  const { values }: { values: Tensor } = x.topk(3);
  const dropped: Tensor = x.dropout(0.1, key, { residual: x }).linear(y).crossEntropy(values);
  // @ts-expect-error: no such option
  x.sum(-1, { keepDim: true });
  // @ts-expect-error: the second operand is missing
  x.mul();
  // @ts-expect-error: an operation of a list
  x.concat([x], 0);
  return [y, parts, values, dropped];
}

test('every operation whose first argument is a tensor is a method of tensors and parameters', () => {
  assert.ok(methodNames.length > 90, `${methodNames.length}`);
  for (const name of methodNames) {
    const both: unknown[] = [Tensor.prototype[name], Parameter.prototype[name]];
    assert.ok(
      both.every((method) => typeof method === 'function'),
      name,
    );
    assert.ok(name in categories && name in functions);
  }
  const parameter = new Parameter(tensor([1, 2]));
  assert.equal([...parameter.mul(2).shape], [2]);
});

test('no method replaces one that tensors have, and none is seen in a loop or a console', () => {
  const x = tensor([1]);
  for (const name in x) assert.not.ok((methodNames as string[]).includes(name), name);
  const own =
    'dtype shape backend own isFreed rank size storage buffer data item array dispose free';
  for (const name of [...own.split(' '), 'assign', 'toString', 'toJSON', 'constructor']) {
    assert.not.ok((methodNames as string[]).includes(name), name);
  }
});

test('a chain computes what the functions compute, with gradients', async () => {
  const x = tensor([
    [1, 2, 3],
    [4, 5, 6],
  ]);
  const y = tensor([10, 20, 30]);
  assert.is(await x.mul(2).add(y).sum().item(), 162);
  assert.equal(await x.transpose().slice(0, 1).array(), [
    [2, 5],
    [3, 6],
  ]);
  assert.equal(await x.greater(2).where(x, 0).array(), [
    [0, 0, 3],
    [4, 5, 6],
  ]);
  const [first, second] = x.split(1);
  assert.equal(await first.sub(second).array(), [[-3, -3, -3]]);
  const { indices } = x.topk(1);
  assert.equal(await indices.array(), [[2], [2]]);
  const gradient = grad((x: Tensor) => x.square().add(x).sum())(x);
  assert.equal(await gradient.array(), [
    [3, 5, 7],
    [9, 11, 13],
  ]);
});

test('a wrong argument is refused as the function refuses it', () => {
  const x = tensor([1]);
  for (const [call, message] of [
    [() => x.add('1' as never), /^add: expected tensors, got "1"/],
    [() => x.sum(3), /^sum: axis 3 does not exist/],
    [() => (x.relu as (extra: number) => Tensor)(1), /^relu: got one argument too many/],
  ] as const) {
    assert.throws(call, (error: Error) => {
      assert.instance(error, MemgradError);
      assert.match(error.message, message);
      return true;
    });
  }
});

test.run();
