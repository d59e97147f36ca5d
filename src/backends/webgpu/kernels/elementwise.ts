/** Elementwise operations: the families whose text they share, and the contract's functions. */
import type { BinaryKernel, DeviceBuffer, DType, UnaryKernel, View } from '../../backend.js';
import { sizeOf } from '../../layout.js';
import type { WebGPUDevice } from '../device.js';
import type { GpuBuffer } from '../memory.js';
import { type Computed, evaluate, type Family, type Value } from './chain.js';
import { sourceOf, sourcesOf } from './sources.js';

type Scalar = Family['result'];

/** A family of operations by name. */
interface Operations extends Family {
  readonly operations: readonly string[];
}

/** A family of the operations whose bodies these are, in WGSL; its operands are x, y and z. */
function family(
  name: string,
  operands: readonly Scalar[],
  result: Scalar,
  bodies: Record<string, string>,
): Operations {
  const operations = Object.keys(bodies);
  const cases = operations.map((name, i) =>
    i === operations.length - 1 ? `default: { ${bodies[name]} }` : `case ${i}: { ${bodies[name]} }`,
  );
  const parameters = operands.map((type, i) => `${'xyz'[i]}: ${type}`);
  const head = `fn ${name}(${[...parameters, 'op: i32'].join(', ')}) -> ${result}`;
  return {
    ...{ name, operands, result, operations },
    text: `${head} {\n  switch op {\n    ${cases.join('\n    ')}\n  }\n}\n`,
  };
}

/** Operations that cost little share a pipeline; each of the others has its own. */
const unaryFamilies: readonly Operations[] = [
  family('unary_neg', ['f32'], 'f32', {
    neg: 'return -x;',
    abs: 'return abs(x);',
    // By its bits, since a comparison may treat a denormal number as 0.
    sign: `if (is_nan(x) || (bits_of(x) & 0x7fffffff) == 0) { return x; }
      return select(1.0, -1.0, bits_of(x) < 0);`,
    sqrt: 'return sqrt(x);',
    relu: 'return rectified(x);',
  }),
  family('unary_exp', ['f32'], 'f32', {
    exp: 'return exponential(x);',
    sigmoid: 'return 1.0 / (1.0 + exponential(-x));',
  }),
  family('unary_log', ['f32'], 'f32', {
    log: 'return logarithm(x);',
  }),
  family('unary_sin', ['f32'], 'f32', {
    sin: 'return wave(x, 0);',
    cos: 'return wave(x, 1);',
  }),
  family('unary_tanh', ['f32'], 'f32', {
    tanh: 'return hyperbolic_tangent(x);',
  }),
  family('unary_erf', ['f32'], 'f32', {
    erf: 'return error_function(x);',
  }),
];

const holds = (comparison: string) =>
  `return select(0, 1, ${comparison} && !is_nan(x) && !is_nan(y));`;
const binaryFamilies: Record<'float32' | 'int32', readonly Operations[]> = {
  float32: [
    family('float_add', ['f32', 'f32'], 'f32', {
      add: 'return x + y;',
      sub: 'return x - y;',
      mul: 'return x * y;',
      div: 'return x / y;',
      maximum: 'return larger(x, y);',
      minimum: 'return smaller(x, y);',
    }),
    family('float_pow', ['f32', 'f32'], 'f32', { pow: 'return power(x, y);' }),
    family('float_equal', ['f32', 'f32'], 'i32', {
      equal: holds('x == y'),
      notEqual: 'return select(0, 1, x != y || is_nan(x) || is_nan(y));',
      less: holds('x < y'),
      lessEqual: holds('x <= y'),
      greater: holds('x > y'),
      greaterEqual: holds('x >= y'),
    }),
  ],
  int32: [
    family('int_add', ['i32', 'i32'], 'i32', {
      add: 'return x + y;',
      sub: 'return x - y;',
      mul: 'return x * y;',
      // -2^31 / -1 overflows; the negation wraps.
      div: 'if (y == 0) { return 0; } if (y == -1) { return -x; } return x / y;',
      pow: `if (y < 0) {
        if (x == 1) { return 1; }
        if (x == -1) { return select(1, -1, (y & 1) == 1); }
        return 0;
      }
      var product = 1;
      var factor = x;
      for (var n = y; n > 0; n = n >> 1u) {
        if ((n & 1) == 1) { product = product * factor; }
        factor = factor * factor;
      }
      return product;`,
      maximum: 'return select(y, x, x > y);',
      minimum: 'return select(y, x, x < y);',
      equal: 'return select(0, 1, x == y);',
      notEqual: 'return select(0, 1, x != y);',
      less: 'return select(0, 1, x < y);',
      lessEqual: 'return select(0, 1, x <= y);',
      greater: 'return select(0, 1, x > y);',
      greaterEqual: 'return select(0, 1, x >= y);',
    }),
  ],
};

/** Moves bits, so it serves both dtypes. */
const choice = family('choice', ['i32', 'i32', 'i32'], 'i32', {
  where: 'return select(z, y, x != 0);',
});
const casts: Partial<Record<DType, Operations>> = {
  float32: family('to_float', ['i32'], 'f32', { cast: 'return f32(x);' }),
  int32: family('to_int', ['f32'], 'i32', { cast: 'return truncated(x);' }),
};
const gradients = family('relu_gradient', ['f32', 'f32'], 'f32', {
  reluGradient: 'return select(0.0, y, x > 0.0 && !is_nan(x));',
});

const arithmetic = new Set<BinaryKernel>(['add', 'sub', 'mul', 'div', 'pow', 'maximum', 'minimum']);

/** The operation `name` of one of `families`. */
function apply(
  families: readonly Operations[],
  name: string,
  operands: readonly Value[],
): Computed {
  const family = families.find(({ operations }) => operations.includes(name)) as Operations;
  return { family, op: family.operations.indexOf(name), operands };
}

/** All values of a buffer. */
const all = (buffer: DeviceBuffer) =>
  sourceOf({ buffer, shape: [buffer.size], strides: [1], offset: 0 });

export function unary(device: WebGPUDevice, kernel: UnaryKernel, x: DeviceBuffer): GpuBuffer {
  return evaluate(device, apply(unaryFamilies, kernel, [all(x)]), x);
}

export function cast(device: WebGPUDevice, x: DeviceBuffer, dtype: DType): GpuBuffer {
  const family = casts[dtype] as Operations;
  const value = dtype === x.dtype ? all(x) : apply([family], 'cast', [all(x)]);
  return evaluate(device, value, { dtype, size: x.size });
}

export function binary(device: WebGPUDevice, kernel: BinaryKernel, a: View, b: View): GpuBuffer {
  const { dtype } = a.buffer;
  const operands = sourcesOf([a, b]);
  const value = apply(binaryFamilies[dtype as 'float32' | 'int32'], kernel, operands);
  const isAddend =
    kernel === 'add' && dtype === 'float32' && operands.every(({ isWhole }) => isWhole);
  return evaluate(
    device,
    value,
    { dtype: arithmetic.has(kernel) ? dtype : 'int32', size: sizeOf(a.shape) },
    isAddend ? 'addend' : undefined,
  );
}

export function where(device: WebGPUDevice, condition: View, a: View, b: View): GpuBuffer {
  const value = apply([choice], 'where', sourcesOf([condition, a, b]));
  return evaluate(device, value, { dtype: a.buffer.dtype, size: sizeOf(a.shape) });
}

export function reluGradient(device: WebGPUDevice, y: DeviceBuffer, g: DeviceBuffer): GpuBuffer {
  const value = apply([gradients], 'reluGradient', [all(y), all(g)]);
  return evaluate(device, value, { dtype: 'float32', size: g.size }, 'reluGradient');
}
