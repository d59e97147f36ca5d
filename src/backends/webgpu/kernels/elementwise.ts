/** Elementwise kernels. Each thread computes four neighbours of the result. */
import type { BinaryKernel, DeviceBuffer, DType, UnaryKernel, View } from '../../backend.js';
import { walkOf } from '../../gpu/walk.js';
import { sizeOf } from '../../layout.js';
import type { WebGPUDevice } from '../device.js';
import type { Launch } from '../launch.js';
import type { GpuBuffer } from '../memory.js';
import { eachQuad, quadGroups, rankOf, walkNames, walkNumbers, walkText } from './views.js';

/** Text of `fn apply`, with the operations that it computes by number `p.op`. */
interface Family {
  readonly operations: readonly string[];
  readonly text: string;
}

/** `fn apply` that computes one of several operations; each is a body in WGSL. */
function family(head: string, bodies: Record<string, string>): Family {
  const operations = Object.keys(bodies);
  const cases = operations.map((name, i) =>
    i === operations.length - 1 ? `default: { ${bodies[name]} }` : `case ${i}: { ${bodies[name]} }`,
  );
  return { operations, text: `${head} {\n  switch p.op {\n    ${cases.join('\n    ')}\n  }\n}\n` };
}

const unaryHead = 'fn apply(x: f32) -> f32';
/** Operations that cost little share a pipeline; each of the others has its own. */
const unaryFamilies: readonly Family[] = [
  family(unaryHead, {
    neg: 'return -x;',
    abs: 'return abs(x);',
    // By its bits, since a comparison may treat a denormal number as 0.
    sign: `if (is_nan(x) || (bits_of(x) & 0x7fffffff) == 0) { return x; }
      return select(1.0, -1.0, bits_of(x) < 0);`,
    sqrt: 'return sqrt(x);',
    relu: 'return rectified(x);',
  }),
  family(unaryHead, {
    exp: 'return exponential(x);',
    sigmoid: 'return 1.0 / (1.0 + exponential(-x));',
  }),
  family(unaryHead, { log: 'return logarithm(x);' }),
  family(unaryHead, { sin: 'return wave(x, 0);', cos: 'return wave(x, 1);' }),
  family(unaryHead, { tanh: 'return hyperbolic_tangent(x);' }),
  family(unaryHead, { erf: 'return error_function(x);' }),
];

const holds = (comparison: string) =>
  `return select(0, 1, ${comparison} && !is_nan(x) && !is_nan(y));`;
const binaryFamilies: Record<'float32' | 'int32', readonly Family[]> = {
  float32: [
    family('fn apply(x: f32, y: f32) -> f32', {
      add: 'return x + y;',
      sub: 'return x - y;',
      mul: 'return x * y;',
      div: 'return x / y;',
      maximum: 'return larger(x, y);',
      minimum: 'return smaller(x, y);',
    }),
    family('fn apply(x: f32, y: f32) -> f32', { pow: 'return power(x, y);' }),
    family('fn apply(x: f32, y: f32) -> i32', {
      equal: holds('x == y'),
      notEqual: 'return select(0, 1, x != y || is_nan(x) || is_nan(y));',
      less: holds('x < y'),
      lessEqual: holds('x <= y'),
      greater: holds('x > y'),
      greaterEqual: holds('x >= y'),
    }),
  ],
  int32: [
    family('fn apply(x: i32, y: i32) -> i32', {
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

const arithmetic = new Set<BinaryKernel>(['add', 'sub', 'mul', 'div', 'pow', 'maximum', 'minimum']);
const scalarTypes = { float32: 'f32', int32: 'i32', float64: '' };
const fourTypes = { f32: 'vec4f', i32: 'vec4i' } as Record<string, string>;

/** `call` for each of four lanes. */
function lanes(type: string, call: (lane: string) => string): string {
  return `${type}(${['x', 'y', 'z', 'w'].map(call)})`;
}

/** Finds the family of an operation, and its number there. */
function find(families: readonly Family[], name: string) {
  const index = families.findIndex(({ operations }) => operations.includes(name));
  return { index, text: families[index].text, op: families[index].operations.indexOf(name) };
}

export function unary(device: WebGPUDevice, kernel: UnaryKernel, x: DeviceBuffer): GpuBuffer {
  const { index, text, op } = find(unaryFamilies, kernel);
  const [out] = device.run({
    key: `unary ${index}`,
    make: () => ({
      inputs: ['a: vec4f'],
      outputs: ['out: vec4f'],
      ints: ['quads', 'op'],
      // A loop has one copy of the functions, which compiles in a fourth of the time.
      text: `${text}${eachQuad}  let v = a[p.a_at + t];
  var r = vec4f(0.0);
  for (var lane = 0; lane < 4; lane++) { r[lane] = apply(v[lane]); }
  out[p.out_at + t] = r;
}`,
    }),
    inputs: [x],
    results: [{ dtype: x.dtype, size: x.size }],
    ints: [Math.ceil(x.size / 4), op],
    groups: quadGroups(x.size),
  });
  return out;
}

export function cast(device: WebGPUDevice, x: DeviceBuffer, dtype: DType): GpuBuffer {
  const [from, to] = [x.dtype, dtype].map((each) => scalarTypes[each]);
  const call = from === to ? '' : to === 'i32' ? 'truncated' : 'f32';
  const [out] = device.run({
    key: `cast ${from} ${to}`,
    make: () => ({
      inputs: [`a: ${fourTypes[from]}`],
      outputs: [`out: ${fourTypes[to]}`],
      ints: ['quads'],
      text: `${eachQuad}  let v = a[p.a_at + t];
  out[p.out_at + t] = ${lanes(fourTypes[to], (lane) => `${call}(v.${lane})`)};
}`,
    }),
    inputs: [x],
    results: [{ dtype, size: x.size }],
    ints: [Math.ceil(x.size / 4)],
    groups: quadGroups(x.size),
  });
  return out;
}

export function binary(device: WebGPUDevice, kernel: BinaryKernel, a: View, b: View): GpuBuffer {
  const { dtype } = a.buffer;
  const families = binaryFamilies[dtype as 'float32' | 'int32'];
  const { index, text, op } = find(families, kernel);
  const type = scalarTypes[dtype];
  const out = arithmetic.has(kernel) ? dtype : 'int32';
  const types = [type, type, scalarTypes[out]];
  const completion = kernel === 'add' && dtype === 'float32' ? 'addend' : undefined;
  return map(device, `binary ${type} ${index}`, text, types, [a, b], out, op, completion);
}

/** Moves bits, so one kernel serves both dtypes. */
export function where(device: WebGPUDevice, condition: View, a: View, b: View): GpuBuffer {
  const text = 'fn apply(c: i32, x: i32, y: i32) -> i32 { return select(y, x, c != 0); }\n';
  const types = ['i32', 'i32', 'i32', 'i32'];
  return map(device, 'where', text, types, [condition, a, b], a.buffer.dtype, 0);
}

/** How a view lies beside a contiguous result, where four neighbours need no index arithmetic. */
const WHOLE = 0; // value by value
const SCALAR = 1; // one value
const PERIODIC = 2; // the same row again and again: [n] over [rows, n]
const COLUMN = 3; // one value a row: [rows, 1] over [rows, n]

/** Returns a view's kind and, where it has one, its period in fours; undefined for other views. */
function kindOf({ shape, strides, offset }: View): [kind: number, period: number] | undefined {
  const { shape: lengths, strides: joined } = walkOf(shape, [strides]);
  const [own] = joined;
  if (lengths.length === 0) return [SCALAR, 1];
  if (lengths.length === 1) {
    if (own[0] === 0) return [SCALAR, 1];
    return own[0] === 1 && offset % 4 === 0 ? [WHOLE, 1] : undefined;
  }
  if (lengths.length !== 2 || lengths[1] % 4 !== 0) return undefined;
  if (own[0] === 0 && own[1] === 1 && offset % 4 === 0) return [PERIODIC, lengths[1] / 4];
  if (own[0] === 1 && own[1] === 0) return [COLUMN, lengths[1] / 4];
  return undefined;
}

/**
 * Applies `fn apply` of `text` to the elements of views of one shape. `types` are the types of its
 * parameters, then of its result.
 */
function map(
  device: WebGPUDevice,
  key: string,
  text: string,
  types: readonly string[],
  views: readonly View[],
  dtype: DType,
  op: number,
  completion?: Launch['completion'],
): GpuBuffer {
  const { shape } = views[0];
  const size = sizeOf(shape);
  const names = ['a', 'b', 'c'].slice(0, views.length);
  const type = fourTypes[types[views.length]];
  const common = {
    inputs: views.map(({ buffer }) => buffer),
    results: [{ dtype, size }],
    groups: quadGroups(size),
  };
  const starts = names.map((name) => `${name}_start`);
  const numbers = [Math.ceil(size / 4), op, ...views.map(({ offset }) => offset)];
  const kinds = views.map(kindOf);
  if (size === 0 || kinds.every((kind) => kind !== undefined)) {
    const isWhole = views.every(
      ({ buffer, offset }, i) => kinds[i]?.[0] === WHOLE && offset === 0 && buffer.size === size,
    );
    const loads = names.map(
      (name, i) => `fn ${name}_four(t: i32) -> ${fourTypes[types[i]]} {
  if (p.${name}_kind == ${WHOLE}) { return ${name}[p.${name}_at + (p.${name}_start >> 2u) + t]; }
  if (p.${name}_kind == ${PERIODIC}) { return ${name}[p.${name}_at + (p.${name}_start >> 2u) + t % p.${name}_period]; }
  let at = p.${name}_start + select(t / p.${name}_period, 0, p.${name}_kind == ${SCALAR});
  let four = ${name}[p.${name}_at + (at >> 2u)];
  return ${fourTypes[types[i]]}(four[at & 3]);
}
`,
    );
    const [out] = device.run({
      ...common,
      completion: isWhole ? completion : undefined,
      key: `${key} flat`,
      make: () => ({
        inputs: names.map((name, i) => `${name}: ${fourTypes[types[i]]}`),
        outputs: [`out: ${type}`],
        ints: [
          'quads',
          'op',
          ...starts,
          ...names.flatMap((name) => [`${name}_kind`, `${name}_period`]),
        ],
        text: `${text}${loads.join('')}${eachQuad}${names.map((name) => `  let ${name}v = ${name}_four(t);\n`).join('')}  out[p.out_at + t] = ${lanes(
          type,
          (lane) => `apply(${names.map((name) => `${name}v.${lane}`)})`,
        )};
}`,
      }),
      ints: [...numbers, ...kinds.flatMap((kind) => kind ?? [WHOLE, 1])],
    });
    return out;
  }
  const walk = walkOf(
    shape,
    views.map(({ strides }) => strides),
  );
  const rank = rankOf(walk.shape.length);
  const last = `walk${rank - 1}`;
  const lane = (at: string) => `apply(${names.map((name, i) => `${name}[${at}.${'xyz'[i]}]`)})`;
  const [out] = device.run({
    ...common,
    key: `${key} ${rank}`,
    make: () => ({
      inputs: names.map((name, i) => `${name}: ${types[i]}`),
      outputs: [`out: ${type}`],
      ints: ['quads', 'op', ...starts, ...walkNames('walk', rank, names)],
      text: `${text}${walkText(
        'walk',
        rank,
        names,
        names.map((name) => `p.${name}_at + p.${name}_start`),
      )}${eachQuad}  let w = walk(4 * t);
  var x = w;
  var y = w;
  var z = w;
  if (p.${last} % 4 == 0) {
    let step = vec${names.length}i(${names.map((name) => `p.${name}_${last}`)});
    x = w + step;
    y = x + step;
    z = y + step;
  } else {
    x = walk(4 * t + 1);
    y = walk(4 * t + 2);
    z = walk(4 * t + 3);
  }
  out[p.out_at + t] = ${type}(${['w', 'x', 'y', 'z'].map(lane)});
}`,
    }),
    ints: [...numbers, ...walkNumbers(walk, rank)],
  });
  return out;
}
