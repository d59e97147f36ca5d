/** Bad input: one sentence that names the operation, what came and what was expected. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as m from '../../src/autograd/index.js';
import type { DType, TypedArray } from '../../src/backends/backend.js';
import { createCpuBackend } from '../../src/backends/cpu/index.js';
import { loadBackend } from '../../src/backends/index.js';
import { cases, operationNames, operations } from '../../src/testing/index.js';
import { f64, i32, refusal } from './helpers.js';

const test = suite('bad input');

const x23 = m.zeros([2, 3]);
const x45 = m.zeros([4, 5]);
const vector = m.zeros([3]);
const whole = i32([0, 1]);
const elsewhere = m.zeros([2, 3], { backend: createCpuBackend() });
const onFloat32 = Object.assign(createCpuBackend(), {
  name: 'narrow',
  dtypes: ['float32', 'int32'] satisfies DType[],
});
const narrow = m.zeros([2], { backend: onFloat32 });
const key = m.Key.of(1);
/** What a caller without types may pass. */
const as = <T>(value: unknown) => value as T;

type F = (...args: unknown[]) => m.Tensor;
const cyclic: unknown[] = [];
cyclic.push(cyclic);
const freed = new m.Parameter(x23);
freed.dispose();

const table: [call: () => unknown, message: string][] = [
  // Shapes.
  [
    () => m.add(x23, x45),
    'add: shapes [2, 3] and [4, 5] do not broadcast; from the right, lengths must be equal or 1.',
  ],
  [
    () => m.where(i32([1, 0, 1, 0]), x23, 0),
    'where: shapes [4] and [2, 3] and [] do not broadcast; from the right, lengths must be equal or 1.',
  ],
  [
    () => m.less(x23, m.zeros([2])),
    'less: shapes [2, 3] and [2] do not broadcast; from the right, lengths must be equal or 1.',
  ],
  [
    () => m.matmul(x23, x45),
    'matmul: [2, 3] times [4, 5] has inner lengths 3 and 4, expected them equal.',
  ],
  [
    () => m.matmul(x23, x23, { transposeA: true, transposeB: true }),
    'matmul: [2, 3] transposed times [2, 3] transposed has inner lengths 2 and 3, expected them equal.',
  ],
  [
    () => m.matmul(m.zeros([2, 2, 3]), x45),
    'matmul: [2, 2, 3] times [4, 5] has inner lengths 3 and 4, expected them equal.',
  ],
  [
    () => m.matmul(vector, x23),
    'matmul: expected tensors of rank 2 or more, got shape [3]; reshape vectors to [n, 1] or [1, n].',
  ],
  [
    () => m.matmul(m.zeros([2, 3, 3]), m.zeros([4, 3, 3])),
    'matmul: shapes [2] and [4] do not broadcast; from the right, lengths must be equal or 1.',
  ],
  [
    () => m.linear(x23, x45),
    'linear: expected x [..., in] and weight [out, in], got [2, 3], [4, 5].',
  ],
  [
    () => m.linear(x23, m.zeros([4, 3]), m.zeros([2, 4])),
    'linear: expected x [..., in] and weight [out, in] and bias [out], got [2, 3], [4, 3], [2, 4].',
  ],
  [
    () => m.rmsNorm(x23, m.ones([2])),
    'rmsNorm: expected x [..., features] and weight [features], got [2, 3], [2].',
  ],
  [() => m.swiglu(x23, vector), 'swiglu: expected one shape, got [2, 3], [3].'],
  [
    () => m.layerNorm(x23, m.ones([2]), m.zeros([3])),
    'layerNorm: expected x [..., features], weight [features] and bias [features], got [2, 3], [2], [3].',
  ],
  [
    () => m.layerNorm(vector, m.ones([5, 3]), vector),
    'layerNorm: expected x [..., features], weight [features] and bias [features], got [3], [5, 3], [3].',
  ],
  [
    () => m.attention(x23, x45, x45),
    'attention: expected q [..., queries, d], k [..., keys, d] with d above 0 and v [..., keys, e], got [2, 3], [4, 5], [4, 5].',
  ],
  [
    () => m.attention(x23, m.zeros([4, 3]), x23),
    'attention: expected q [..., queries, d], k [..., keys, d] with d above 0 and v [..., keys, e], got [2, 3], [4, 3], [2, 3].',
  ],
  [
    () => m.crossEntropy(x23, i32([0, 1, 2])),
    'crossEntropy: expected logits [..., classes] of at least one class and targets [...], got [2, 3], [3].',
  ],
  [
    () => m.scatterAdd(x23, i32([0, 1, 2]), 4),
    'scatterAdd: expected values whose shape starts with that of the indices, got [2, 3], [3].',
  ],
  [() => m.gather(m.ones([]), whole), 'gather: expected a table of rank 1 or more, got [].'],
  [
    () => m.reshape(x23, [4]),
    'reshape: shape [2, 3] has 6 values and cannot become [4]; the products must match, with at most one -1.',
  ],
  [
    () => m.reshape(x23, [-1, -1]),
    'reshape: shape [2, 3] has 6 values and cannot become [-1, -1]; the products must match, with at most one -1.',
  ],
  [
    () => m.reshape(x23, [4, -1]),
    'reshape: shape [2, 3] has 6 values and cannot become [4, -1]; the products must match, with at most one -1.',
  ],
  [
    () => m.reshape(x23, [1.5, 4]),
    'reshape: a shape is a list of whole numbers >= 0, got [1.5, 4].',
  ],
  [() => m.reshape(x23, as(6)), 'reshape: a shape is a list of whole numbers >= 0, got 6.'],
  [() => m.broadcastTo(x23, [3]), 'broadcastTo: [2, 3] does not broadcast to [3].'],
  [
    () => m.broadcastTo(x23, [2, 4]),
    'broadcastTo: shapes [2, 3] and [2, 4] do not broadcast; from the right, lengths must be equal or 1.',
  ],
  [
    () => m.slice(x23, 1, 2, 4),
    'slice: [2, 4) does not lie in axis 1 of shape [2, 3], which has length 3.',
  ],
  [
    () => m.slice(x23, 0, -3),
    'slice: [-3, end) does not lie in axis 0 of shape [2, 3], which has length 2.',
  ],
  [
    () => m.slice(x23, 0, NaN),
    'slice: [NaN, end) does not lie in axis 0 of shape [2, 3], which has length 2.',
  ],
  [
    () => m.pad(x23, [[1, 1]]),
    'pad: expected [before, after] with whole numbers >= 0 for each of the 2 axes of [2, 3], got a list of 1.',
  ],
  [
    () => m.pad(vector, [[0, -1]]),
    'pad: expected [before, after] with whole numbers >= 0 for each of the 1 axes of [3], got a list of 1.',
  ],
  [
    () => m.pad(vector, as([[1]])),
    'pad: expected [before, after] with whole numbers >= 0 for each of the 1 axes of [3], got a list of 1.',
  ],
  [
    () => m.pad(whole, [[1, 1]], 0.5),
    'pad: int32 holds whole numbers from -2^31 to 2^31 - 1, got 0.5; choose a floating dtype or round it.',
  ],
  [
    () => m.concat([x23, x45], 0),
    'concat: expected equal lengths but along axis 0, got [2, 3], [4, 5].',
  ],
  [() => m.concat([], 0), 'concat: expected a list of at least one tensor, got an empty one.'],
  [
    () => m.stack(as(x23)),
    'stack: expected a list of at least one tensor, got Tensor(float32 [2, 3] on cpu).',
  ],
  [() => m.stack([x23, x45]), 'stack: expected one shape, got [2, 3], [4, 5].'],
  [() => m.max(m.zeros([2, 0]), 1), 'max: expected axes of length 1 or more, got [2, 0].'],
  [() => m.argmax(m.zeros([0]), 0), 'argmax: expected axes of length 1 or more, got [0].'],

  // Axes.
  [() => m.sum(x23, 2), 'sum: axis 2 does not exist in a tensor of rank 2; axes run from -2 to 1.'],
  [
    () => m.min(x23, -3),
    'min: axis -3 does not exist in a tensor of rank 2; axes run from -2 to 1.',
  ],
  [
    () => m.mean(x23, 0.5),
    'mean: axis 0.5 does not exist in a tensor of rank 2; axes run from -2 to 1.',
  ],
  [
    () => m.max(m.ones([]), 0),
    'max: axis 0 does not exist in a tensor of rank 0; a scalar has no axes.',
  ],
  [() => m.sum(x23, [1, -1]), 'sum: expected each axis once, got [1, -1].'],
  [
    () => m.softmax(x23, 2),
    'softmax: axis 2 does not exist in a tensor of rank 2; axes run from -2 to 1.',
  ],
  [
    () => m.logSoftmax(x23, 2),
    'logSoftmax: axis 2 does not exist in a tensor of rank 2; axes run from -2 to 1.',
  ],
  [
    () => m.logsumexp(x23, 2),
    'logsumexp: axis 2 does not exist in a tensor of rank 2; axes run from -2 to 1.',
  ],
  [
    () => m.concat([x23], 2),
    'concat: axis 2 does not exist in a tensor of rank 2; axes run from -2 to 1.',
  ],
  [
    () => m.stack([x23], 3),
    'stack: axis 3 does not exist in a tensor of rank 3; axes run from -3 to 2.',
  ],
  [
    () => m.transpose(x23, [0]),
    'transpose: the order [0] must name each of the 2 axes of [2, 3] once.',
  ],
  [
    () => m.transpose(x23, [0, 0]),
    'transpose: the order [0, 0] must name each of the 2 axes of [2, 3] once.',
  ],
  [
    () => m.transpose(x23, [0, 2]),
    'transpose: axis 2 does not exist in a tensor of rank 2; axes run from -2 to 1.',
  ],

  // Positional arguments of other libraries: supported, or refused.
  [() => (m.zeros as F)(2, 3), 'zeros: a shape is a list of whole numbers >= 0, got 2.'],
  [() => (m.reshape as F)(x23, 3, 2), 'reshape: a shape is a list of whole numbers >= 0, got 3.'],
  [
    () => (m.transpose as F)(x23, 0, 1),
    'transpose: the order 0 must name each of the 2 axes of [2, 3] once.',
  ],
  [() => (m.sum as F)(x23, 0, true), 'sum: expected an object of options (keepDims), got true.'],
  [
    () => (m.softmax as F)(x23, { axis: 0 }),
    'softmax: axis an object does not exist in a tensor of rank 2; an axis is a whole number.',
  ],
  [() => (m.softmax as F)(x23, -1, 0.5), 'softmax: got one argument too many, 0.5; leave it out.'],
  [
    () => (m.concat as F)(x23, x23),
    'concat: expected a list of at least one tensor, got Tensor(float32 [2, 3] on cpu).',
  ],
  [
    () => (m.max as F)(x23, x23),
    'max: axis Tensor(float32 [2, 3] on cpu) does not exist in a tensor of rank 2; an axis is a whole number.',
  ],
  [
    () => (m.add as F)(x23, x23, x23),
    'add: got one argument too many, Tensor(float32 [2, 3] on cpu); leave it out.',
  ],
  [() => (m.log as F)(x23, 10), 'log: got one argument too many, 10; leave it out.'],
  [() => (m.gelu as F)(x23, 'tanh'), 'gelu: got one argument too many, "tanh"; leave it out.'],
  [() => (m.gather as F)(x23, whole, 1), 'gather: got one argument too many, 1; leave it out.'],
  [() => (m.slice as F)(x23, 0, 0, 2, 2), 'slice: got one argument too many, 2; leave it out.'],
  [() => (m.globalNorm as F)([x23], 1), 'globalNorm: got one argument too many, 1; leave it out.'],
  [
    () => (m.checkpoint as unknown as F)(m.neg, x23),
    'checkpoint: got one argument too many, Tensor(float32 [2, 3] on cpu); leave it out.',
  ],
  [
    () => (m.matmul as F)(x23, x23, false, true),
    'matmul: expected an object of options (transposeA, transposeB), got false.',
  ],
  [
    () =>
      (m.attention as F)(
        x23,
        x23,
        x23,
        i32([
          [1, 1],
          [1, 1],
        ]),
      ),
    'attention: expected an object of options (heads, mask, bias, dropout), got Tensor(int32 [2, 2] on cpu).',
  ],
  [() => (m.normal as F)([2, 3]), 'normal: key must be a Key, from Key.of(seed), got a list of 2.'],
  [
    () => (m.uniform as F)(key, [2], 0, 1),
    'uniform: expected an object of options (backend), got 0.',
  ],
  [() => (m.pad as F)(vector, [[1, 1]], 'edge'), 'pad: value must be a number, got "edge".'],
  [
    () => new (m.Key as unknown as new (seed: number) => m.Key)(1),
    'Key: make keys with Key.of(seed).',
  ],

  // Trees.
  [
    () => m.grad((w: Map<string, m.Tensor>) => m.sum([...w.values()][0]))(new Map([['w', x23]])),
    'grad: expected tensors in lists and plain objects, got some in Map.',
  ],
  [
    () =>
      m.grad(
        (w: m.Tensor) => m.sum(w),
        as<Record<string, m.Tensor>>({ a: x23, b: new Set([x23]) }),
      )(x23),
    'grad: expected tensors in lists and plain objects, got some in Set.',
  ],
  [
    () => m.scope(() => new Map([['y', m.neg(x23)]])),
    'scope: expected tensors in lists and plain objects, got some in Map.',
  ],
  [
    () => m.treeLeaves(cyclic),
    'A tree of tensors is deeper than 100 levels; does a list or an object contain itself?',
  ],

  // Dtypes.
  [
    () => m.mul(whole, m.ones([2])),
    "mul: inputs are int32 and float32, expected one dtype; convert the int32 one with cast(x, 'float32').",
  ],
  [
    () => m.matmul(x23, i32([[1], [2], [3]])),
    "matmul: inputs are float32 and int32, expected one dtype; convert the int32 one with cast(x, 'float32').",
  ],
  [
    () => m.where(i32([1, 0]), whole, f64([1, 2])),
    "where: inputs are int32 and float64, expected one dtype; convert the int32 one with cast(x, 'float64').",
  ],
  [
    () => m.attention(x23, x23, x23, { mask: m.ones([2, 2]) }),
    'attention: the mask must be int32, got float32; convert with notEqual(x, 0).',
  ],
  [
    () => m.mul(x23, f64([1, 2, 3])),
    "mul: inputs are float32 and float64, expected one dtype; convert the float32 one with cast(x, 'float64').",
  ],
  [
    () => m.concat([vector, f64([1])], 0),
    "concat: inputs are float32 and float64, expected one dtype; convert the float32 one with cast(x, 'float64').",
  ],
  [
    () => m.exp(whole),
    "exp: expected float32 or float64, got int32; convert with cast(x, 'float32').",
  ],
  [
    () => m.mean(whole),
    "mean: expected float32 or float64, got int32; convert with cast(x, 'float32').",
  ],
  [
    () => m.min(whole),
    "min: expected float32 or float64, got int32; convert with cast(x, 'float32').",
  ],
  [
    () => m.softmax(whole),
    "softmax: expected float32 or float64, got int32; convert with cast(x, 'float32').",
  ],
  [
    () => m.crossEntropy(i32([[1, 2]]), i32([0])),
    "crossEntropy: expected float32 or float64, got int32; convert with cast(x, 'float32').",
  ],
  [
    () => m.matmul(i32([[1]]), i32([[1]])),
    "matmul: expected float32 or float64, got int32; convert with cast(x, 'float32').",
  ],
  [
    () => m.dropout(whole, 0.5, key),
    "dropout: expected float32 or float64, got int32; convert with cast(x, 'float32').",
  ],
  [
    () => m.where(vector, 1, 2),
    'where: the condition must be int32, got float32; convert with notEqual(x, 0).',
  ],
  [
    () => m.gather(x23, vector),
    "gather: the indices must be int32, got float32; convert with cast(x, 'int32').",
  ],
  [
    () => m.oneHot(vector, 3),
    "oneHot: the indices must be int32, got float32; convert with cast(x, 'int32').",
  ],
  [
    () => m.crossEntropy(x23, m.zeros([2])),
    "crossEntropy: the targets must be int32, got float32; convert with cast(x, 'int32').",
  ],
  [
    () => m.cast(x23, as('float16')),
    'cast: "float16" is not a dtype; choose float32, float64 or int32.',
  ],
  [
    () => m.cast(narrow, 'float64'),
    "cast: the backend 'narrow' has no dtype \"float64\"; choose one of float32, int32, or the backend 'cpu'.",
  ],
  [
    () => m.equal(whole, 0.5),
    "equal: int32 holds whole numbers from -2^31 to 2^31 - 1, got 0.5; convert the tensor with cast(x, 'float32').",
  ],
  [
    () => m.add(whole, Infinity),
    "add: int32 holds whole numbers from -2^31 to 2^31 - 1, got Infinity; convert the tensor with cast(x, 'float32').",
  ],

  // Values and options.
  [
    () => m.gather(x23, i32([0, 2])),
    'gather: index 2 at position 1 is outside the table of 2 rows; indices run from 0 to 1.',
  ],
  [
    () => m.scatterAdd(x23, i32([0, -1]), 2),
    'scatterAdd: index -1 at position 1 is outside the table of 2 rows; indices run from 0 to 1.',
  ],
  [
    () => m.scatterAdd(x23, whole, -1),
    'scatterAdd: a shape is a list of whole numbers >= 0, got [-1].',
  ],
  [() => m.oneHot(whole, 1.5), 'oneHot: a shape is a list of whole numbers >= 0, got [1.5].'],
  [
    () => m.crossEntropy(m.zeros([2, 0]), i32([-100, -100])),
    'crossEntropy: expected logits [..., classes] of at least one class and targets [...], got [2, 0], [2].',
  ],
  [
    () => m.attention(x23, x23, x23, { bias: m.zeros([4, 2, 2]) }),
    'attention: the bias [4, 2, 2] is larger than the scores [2, 2], to which it broadcasts.',
  ],
  [
    () =>
      m.attention(x23, x23, x23, {
        mask: i32([
          [
            [1, 1],
            [1, 1],
          ],
        ]),
      }),
    'attention: the mask [1, 2, 2] is larger than the scores [2, 2], to which it broadcasts.',
  ],
  [
    () => m.attention(m.zeros([2, 0]), m.zeros([2, 0]), x23),
    'attention: expected q [..., queries, d], k [..., keys, d] with d above 0 and v [..., keys, e], got [2, 0], [2, 0], [2, 3].',
  ],
  [() => m.min(m.zeros([2, 0]), 1), 'min: expected axes of length 1 or more, got [2, 0].'],
  [
    () => m.gather(m.zeros([0, 2]), i32([0])),
    'gather: the table has no rows, expected at least one for an index.',
  ],
  [
    () => m.scatterAdd(m.zeros([1, 2]), i32([0]), 0),
    'scatterAdd: the table has no rows, expected at least one for an index.',
  ],
  [
    () => m.crossEntropy(x23, i32([0, 3])),
    'crossEntropy: a target is outside the 3 classes, expected 0 to 2 or ignoreIndex.',
  ],
  [
    () => m.crossEntropy(x23, i32([0, -1])),
    'crossEntropy: a target is outside the 3 classes, expected 0 to 2 or ignoreIndex.',
  ],
  [
    () => m.crossEntropy(x23, whole, { reduction: as('average') }),
    'crossEntropy: reduction must be one of mean, sum, none, got "average".',
  ],
  [
    () => m.crossEntropy(x23, whole, { ignoreIndex: NaN }),
    'crossEntropy: ignoreIndex must be a whole number from -2147483648 to 2147483647, got NaN.',
  ],
  [() => m.dropout(x23, 1, key), 'dropout: rate must be a number in [0, 1), got 1.'],
  [() => m.dropout(x23, NaN, key), 'dropout: rate must be a number in [0, 1), got NaN.'],
  [
    () => m.dropout(x23, 0.5, as(undefined)),
    'dropout: key must be a Key, from Key.of(seed), got nothing.',
  ],

  // Backends.
  [() => m.add(x23, elsewhere), "add: inputs are on 'cpu' and 'cpu', expected one backend."],
  [
    () => m.zeros([2], { dtype: 'float64', backend: onFloat32 }),
    "zeros: the backend 'narrow' has no dtype \"float64\"; choose one of float32, int32, or the backend 'cpu'.",
  ],
  [
    () => loadBackend('cuda' as 'cpu'),
    'loadBackend: there is no backend "cuda"; choose from wasm, cpu, webgl, webgpu.',
  ],
  [
    () => loadBackend('cpu', { threads: 4 }),
    "loadBackend: the backend 'cpu' has no option \"threads\"; leave it out, or load 'wasm'.",
  ],
  [
    () => loadBackend('wasm', { gpu: {} }),
    "loadBackend: the backend 'wasm' has no option \"gpu\"; leave it out, or load 'webgl'.",
  ],
  [
    () => as<F>(createCpuBackend)({ threads: 4 }),
    'createCpuBackend: there is no option "threads"; there are none to choose from.',
  ],
  [
    () => loadBackend('toString' as 'cpu'),
    'loadBackend: there is no backend "toString"; choose from wasm, cpu, webgl, webgpu.',
  ],

  // Making tensors.
  [
    () => m.tensor([[1, 2], [3]]),
    'tensor: the nested arrays start as shape [2, 2], but a list of 1 is at depth 1; every list of a level must have the same length and hold numbers.',
  ],
  [
    () => m.tensor([1, [2]]),
    'tensor: the nested arrays start as shape [2], but a list of 1 is at depth 1; every list of a level must have the same length and hold numbers.',
  ],
  [
    () => m.tensor([[1], 2]),
    'tensor: the nested arrays start as shape [2, 1], but 2 is at depth 1; every list of a level must have the same length and hold numbers.',
  ],
  [
    () => m.tensor(as(['a'])),
    'tensor: the nested arrays start as shape [1], but "a" is at depth 1; every list of a level must have the same length and hold numbers.',
  ],
  [
    () => m.tensor(as(undefined)),
    'tensor: the nested arrays start as shape [], but nothing is at depth 0; every list of a level must have the same length and hold numbers.',
  ],
  [
    () => m.tensor([1, 2, 3], { shape: [2] }),
    'tensor: shape [2] has 2 values, got 3; they must match.',
  ],
  [
    () => m.tensor(as<TypedArray>(new Uint8Array(2))),
    'tensor: expected a Float32Array, Float64Array or Int32Array, got Uint8Array; convert it first.',
  ],
  [
    () => m.tensor([1], { dtype: as('float16') }),
    'tensor: the backend \'cpu\' has no dtype "float16"; choose one of float32, float64, int32.',
  ],
  [
    () => m.tensor([1.5], { dtype: 'int32' }),
    'tensor: int32 holds whole numbers from -2^31 to 2^31 - 1, got 1.5; choose a floating dtype or round it.',
  ],
  [
    () => m.tensor(Float64Array.of(NaN), { dtype: 'int32' }),
    'tensor: int32 holds whole numbers from -2^31 to 2^31 - 1, got NaN; choose a floating dtype or round it.',
  ],
  [
    () => m.tensor(as(cyclic)),
    'tensor: the nested arrays are deeper than 32 levels; does a list contain itself?',
  ],
  [
    () => m.tensor([new Float32Array(2), new Float32Array(3)]),
    'tensor: the nested arrays start as shape [2, 2], but Float32Array of 3 is at depth 1; every list of a level must have the same length and hold numbers.',
  ],
  [
    () => m.tensor(as([new Uint8Array(2)])),
    'tensor: expected a Float32Array, Float64Array or Int32Array, got Uint8Array; convert it first.',
  ],
  [
    () => m.arange(0, 1, 0.25),
    'arange: int32 holds whole numbers from -2^31 to 2^31 - 1, got 0.25; choose a floating dtype or round it.',
  ],
  [
    () => m.arange(5, 2),
    'arange: expected an end, or a start, an end and a step that leads from start to end, got [5, 2].',
  ],
  [
    () => m.arange(0, 2, 0),
    'arange: expected an end, or a start, an end and a step that leads from start to end, got [0, 2, 0].',
  ],
  [() => m.zeros(Array(40).fill(1)), 'zeros: a tensor has at most 32 axes, got 40.'],
  [() => key.split(2 ** 21), 'split: count must be a whole number from 0 to 1048576, got 2097152.'],
  [
    () => freed.assign(x23),
    'A tensor of shape [2, 3] was used after dispose() had freed it; dispose of it later.',
  ],
  [
    () => m.adamStep({ parameters: [x23], first: [x23], second: [elsewhere] }, [x23], as({})),
    "adamStep: inputs are on 'cpu' and 'cpu', expected one backend.",
  ],
  [
    () => m.globalNorm([x23, elsewhere]),
    "globalNorm: inputs are on 'cpu' and 'cpu', expected one backend.",
  ],
  [
    () => m.vjp(m.neg, x23)[1](elsewhere),
    'vjp: the cotangent is Tensor(float32 [2, 3] on cpu), expected the shape, dtype and backend of the value, Tensor(float32 [2, 3] on cpu).',
  ],
  [
    () => m.adamStep({ parameters: [x23], first: [x23], second: [] }, [x23], as({})),
    'adamStep: expected lists of parameters, gradients and both moments, all of one length.',
  ],
  [
    () => m.adamStep({ parameters: [x23], first: [x23], second: [x23] }, [x23], as({ beta1: 0.9 })),
    'adamStep: each number must be a finite number, got nothing.',
  ],
  [
    () => m.clip(x23, 0, as(undefined)),
    'clip: expected tensors, got nothing; wrap values in tensor(...).',
  ],
  [
    () => m.choice(key, x23, 2, { weights: as([1, 2]) }),
    'choice: weights: expected tensors, got a list of 2; wrap values in tensor(...).',
  ],
  [() => m.zeros([-1]), 'zeros: a shape is a list of whole numbers >= 0, got [-1].'],
  [() => m.ones([NaN]), 'ones: a shape is a list of whole numbers >= 0, got [NaN].'],
  [() => m.full(as(3), 1), 'full: a shape is a list of whole numbers >= 0, got 3.'],
  [() => m.full([2], as('1')), 'full: value must be a number, got "1".'],
  [
    () => m.full([2], 2 ** 31, { dtype: 'int32' }),
    'full: int32 holds whole numbers from -2^31 to 2^31 - 1, got 2147483648; choose a floating dtype or round it.',
  ],
  [
    () => m.arange(2.5),
    'arange: int32 holds whole numbers from -2^31 to 2^31 - 1, got 2.5; choose a floating dtype or round it.',
  ],
  [
    () => m.arange(2, { dtype: as('int8') }),
    'arange: the backend \'cpu\' has no dtype "int8"; choose one of float32, float64, int32.',
  ],
  [() => m.uniform(as(7), [2]), 'uniform: key must be a Key, from Key.of(seed), got 7.'],
  [
    () => m.normal(key, [2], { dtype: 'int32' }),
    'normal: expected float32 or float64, got int32; the values are real.',
  ],
  [() => m.Key.of(-1), 'seed must be a whole number from 0 to 9007199254740991, got -1.'],
  [() => m.Key.of(NaN), 'seed must be a whole number from 0 to 9007199254740991, got NaN.'],
  [() => key.fold(0.5), 'fold: index must be a whole number from 0 to 4294967295, got 0.5.'],
  [() => key.integers(3, 0), 'integers: limit must be a whole number from 1 to 2147483648, got 0.'],
  [
    () => new m.Parameter(as([1])),
    'Parameter: expected a tensor, got a list of 1; make one with tensor(...).',
  ],
  [
    () => new m.Parameter(x23).assign(vector),
    'assign: expected Parameter(float32 [2, 3] on cpu), got Tensor(float32 [3] on cpu); convert the value first.',
  ],
  [
    () => new m.Parameter(x23).assign(as(undefined)),
    'assign: expected Parameter(float32 [2, 3] on cpu), got nothing; convert the value first.',
  ],
  [
    () => x23.item(),
    'item: expected a tensor of one element, got shape [2, 3]; use data() or array().',
  ],

  // Transforms.
  [
    () => m.grad((x: m.Tensor) => m.mul(x, 2))(x23),
    'grad: the function must return a float scalar, got Tensor(float32 [2, 3] on cpu); end it with sum or mean.',
  ],
  [
    () => m.grad((x: m.Tensor) => m.sum(m.cast(x, 'int32')))(x23),
    'grad: the function must return a float scalar, got Tensor(int32 [] on cpu); end it with sum or mean.',
  ],
  [
    () => m.grad(as<() => m.Tensor>(() => undefined))(...as<[]>([x23])),
    'grad: the function must return a float scalar, got nothing; end it with sum or mean.',
  ],
  [
    () => m.grad(as<() => m.Tensor>(() => 3))(...as<[]>([x23])),
    'grad: the function must return a float scalar, got 3; end it with sum or mean.',
  ],
  [
    () => m.grad((x: number) => m.full([], x))(3),
    'grad: found no tensor to differentiate by; pass it as the first argument or as parameters.',
  ],
  [
    () => m.grad(as<(x: m.Tensor) => m.Tensor>(async (x: m.Tensor) => m.sum(x)))(x23),
    'grad: the function returned a promise, expected it to be synchronous; return tensors and read them afterwards.',
  ],
  [
    () =>
      m.vjp(
        as<(x: m.Tensor) => m.Tensor>(async (x: m.Tensor) => x),
        x23,
      ),
    'vjp: the function returned a promise, expected it to be synchronous; return tensors and read them afterwards.',
  ],
  [
    () =>
      m.vjp(
        as<(x: m.Tensor) => m.Tensor>(() => 3),
        x23,
      ),
    'vjp: the function must return a tensor, got 3.',
  ],
  [
    () => m.vjp(m.neg, as<m.Tensor>([1])),
    'vjp: expected tensors, got a list of 1; wrap values in tensor(...).',
  ],
  [
    () => m.vjp(m.neg, x23)[1](vector),
    'vjp: the cotangent is Tensor(float32 [3] on cpu), expected the shape, dtype and backend of the value, Tensor(float32 [2, 3] on cpu).',
  ],
  [
    () => m.vjp(m.neg, vector)[1](f64([1, 2, 3])),
    'vjp: the cotangent is Tensor(float64 [3] on cpu), expected the shape, dtype and backend of the value, Tensor(float32 [3] on cpu).',
  ],
  [
    () => m.scope(async () => x23),
    'scope: the function returned a promise, expected it to be synchronous; return tensors and read them afterwards.',
  ],
  [
    () => m.checkGradients(m.neg, [x23]),
    "checkGradients: expected float64 inputs, got Tensor(float32 [2, 3] on cpu); make them with { dtype: 'float64' }.",
  ],
  [
    () => m.checkGradients(m.neg, []),
    'checkGradients: expected a list of at least one tensor, got an empty one.',
  ],
  [
    () => m.checkGradients(m.neg, as([[1]])),
    'checkGradients: expected tensors, got a list of 1; wrap values in tensor(...).',
  ],
];

for (const [call, message] of table) {
  test(`${call.toString().slice(6)}`, async () => {
    assert.is(await refusal(call), message);
  });
}

test('no operation answers undefined, null, an array or text with anything but a MemgradError', async () => {
  for (const name of operationNames) {
    const arity = cases[name].patterns[0].inputs.length;
    const call = operations[name] as (...args: unknown[]) => unknown;
    for (const bad of [undefined, null, [1, 2], 'text', {}]) {
      const message = await refusal(() => call(...Array(Math.max(arity, 1)).fill(bad)));
      assert.match(
        message,
        /^[a-zA-Z0-9]+: expected (tensors|a list of at least one tensor), got .*\.$/,
      );
      assert.ok(
        message.startsWith(`${name}:`),
        `${name} was called, but the message is: ${message}`,
      );
    }
  }
});

test('a refused call leaves nothing on the tape and no tensor behind', async () => {
  const before = m.memoryReport().buffers;
  const gradient = m.grad((x: m.Tensor) => {
    assert.throws(() => m.add(x, x45));
    return m.sum(x);
  })(x23);
  assert.equal(await gradient.array(), [
    [1, 1, 1],
    [1, 1, 1],
  ]);
  gradient.dispose();
  assert.is(m.memoryReport().buffers, before);
});

test.run();
