/** The text of elementwise kernels. */
import type { BinaryKernel, DType, UnaryKernel, View } from '../../backend.js';
import { type Load, lanesOf, load, loadAll, mapText, walkOf } from './views.js';

/** The bodies of functions of x. */
const unaryBodies: Record<UnaryKernel, string> = {
  neg: 'return -x;',
  abs: 'return abs(x);',
  // By its bits, since a comparison may treat a denormal number as 0.
  sign: `if (is_nan(x) || (bits_of(x) & 0x7fffffff) == 0) { return x; }
  return select(1.0, -1.0, bits_of(x) < 0);`,
  exp: 'return exponential(x);',
  log: 'return logarithm(x);',
  sqrt: 'return sqrt(x);',
  sin: 'return wave(x, 0);',
  cos: 'return wave(x, 1);',
  tanh: 'return hyperbolic_tangent(x);',
  sigmoid: 'return 1.0 / (1.0 + exponential(-x));',
  relu: 'return rectified(x);',
  erf: 'return error_function(x);',
};

const floatBodies: Record<BinaryKernel, string> = {
  add: 'return x + y;',
  sub: 'return x - y;',
  mul: 'return x * y;',
  div: 'return x / y;',
  pow: 'return power(x, y);',
  maximum: 'return larger(x, y);',
  minimum: 'return smaller(x, y);',
  equal: truth('x == y'),
  notEqual: 'return select(0, 1, x != y || is_nan(x) || is_nan(y));',
  less: truth('x < y'),
  lessEqual: truth('x <= y'),
  greater: truth('x > y'),
  greaterEqual: truth('x >= y'),
};

function truth(comparison: string): string {
  return `return select(0, 1, ${comparison} && !is_nan(x) && !is_nan(y));`;
}

const intBodies: Record<BinaryKernel, string> = {
  add: 'return x + y;',
  sub: 'return x - y;',
  mul: 'return x * y;',
  // -2^31 / -1 overflows, which is undefined in GLSL; the negation wraps.
  div: 'if (y == 0) { return 0; } if (y == -1) { return -x; } return x / y;',
  pow: `if (y < 0) {
    if (x == 1) { return 1; }
    if (x == -1) { return select(1, -1, (y & 1) == 1); }
    return 0;
  }
  var p: i32 = 1;
  var f: i32 = x;
  for (var n: i32 = y; n > 0; n = n >> 1u) {
    if ((n & 1) == 1) { p = p * f; }
    f = f * f;
  }
  return p;`,
  maximum: 'return select(y, x, x > y);',
  minimum: 'return select(y, x, x < y);',
  equal: 'return select(0, 1, x == y);',
  notEqual: 'return select(0, 1, x != y);',
  less: 'return select(0, 1, x < y);',
  lessEqual: 'return select(0, 1, x <= y);',
  greater: 'return select(0, 1, x > y);',
  greaterEqual: 'return select(0, 1, x >= y);',
};

const arithmetic = new Set<BinaryKernel>(['add', 'sub', 'mul', 'div', 'pow', 'maximum', 'minimum']);

/** Returns the dtype of a binary kernel's result for inputs of `dtype`. */
export function resultOf(kernel: BinaryKernel, dtype: DType): DType {
  return arithmetic.has(kernel) ? dtype : 'int32';
}

export function unaryText(kernel: UnaryKernel, size: number): string {
  const body = unaryBodies[kernel];
  return `fn apply(x: f32) -> f32 {
  ${body}
}
${mapText('float32', [loadAll('a', 'float32', size, 4)], ([x]) => `apply(${x})`)}`;
}

export function binaryText(kernel: BinaryKernel, a: View, b: View): string {
  const { dtype } = a.buffer;
  const out = resultOf(kernel, dtype);
  const whole = dtype === 'int32';
  const [type, result] = [whole ? 'i32' : 'f32', out === 'int32' ? 'i32' : 'f32'];
  return `fn apply(x: ${type}, y: ${type}) -> ${result} {
  ${(whole ? intBodies : floatBodies)[kernel]}
}
${mapText(out, loadViews([a, b], out), (elements) => `apply(${elements})`)}`;
}

export function whereText(condition: View, a: View, b: View): string {
  const { dtype } = a.buffer;
  return mapText(
    dtype,
    loadViews([condition, a, b], dtype),
    ([c, x, y]) => `select(${y}, ${x}, ${c} != 0)`,
  );
}

export function castText(from: DType, to: DType, size: number): string {
  const convert = { float32: 'f32', int32: 'truncated', float64: '' }[to];
  return mapText(to, [loadAll('a', from, size, lanesOf(to))], ([x]) =>
    from === to ? x : `${convert}(${x})`,
  );
}

/** Loads the inputs `a`, `b`, `c` as views of one shape, for an output of dtype `out`. */
function loadViews(views: readonly View[], out: DType): Load[] {
  const walk = walkOf(
    views[0].shape,
    views.map((view) => view.strides),
  );
  return views.map(({ buffer, offset }, i) =>
    load(['a', 'b', 'c'][i], buffer.dtype, walk.shape, walk.strides[i], offset, lanesOf(out)),
  );
}

/** g where y is greater than 0. */
export const reluGradientText = `fn kept(y: f32, g: f32) -> f32 { return select(0.0, g, y > 0.0 && !is_nan(y)); }
fn compute(t: i32) -> vec4f {
  let y: vec4f = a_at(t);
  let g: vec4f = b_at(t);
  return vec4f(kept(y.x, g.x), kept(y.y, g.y), kept(y.z, g.z), kept(y.w, g.w));
}`;
