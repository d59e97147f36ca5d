/** The text of elementwise kernels. */
import type { BinaryKernel, DType, UnaryKernel, View } from '../../backend.js';
import { type Load, lanesOf, load, loadAll, mapText, walkOf } from './views.js';

/** x to f(x), as the body of a function. */
const unaryBodies: Record<UnaryKernel, string> = {
  neg: 'return -x;',
  abs: 'return abs(x);',
  sign: 'return select(select(x, -1.0, x < 0.0), 1.0, x > 0.0);', // NaN stays
  exp: 'return exponential(x);',
  log: 'return logarithm(x);',
  sqrt: 'return sqrt(x);',
  sin: 'return wave(x, 0);',
  cos: 'return wave(x, 1);',
  // Near 0 the polynomial of Cephes' tanhf.
  tanh: `if (is_nan(x)) { return x; }
  let z: f32 = x * x;
  if (abs(x) < 0.625) {
    return x + x * z * ((((-5.70498872745e-3 * z + 2.06390887954e-2) * z - 5.37397155531e-2) * z + 1.33314422036e-1) * z - 3.33332819422e-1);
  }
  let p: f32 = exponential(-2.0 * abs(x));
  return select(1.0, -1.0, x < 0.0) * (1.0 - p) / (1.0 + p);`,
  sigmoid: 'return 1.0 / (1.0 + exponential(-x));',
  relu: 'return select(x, 0.0, x < 0.0);', // NaN stays
  // Cephes' erff and erfcf.
  erf: `if (is_nan(x)) { return x; }
  let z: f32 = x * x;
  if (abs(x) < 1.0) {
    return x * ((((((7.853861353153693e-5 * z - 8.010193625184903e-4) * z + 5.188327685732524e-3) * z - 2.685381193529856e-2) * z + 1.128358514861418e-1) * z - 3.761262582423300e-1) * z + 1.128379165726710);
  }
  if (abs(x) > 6.0) { return select(1.0, -1.0, x < 0.0); }
  let q: f32 = 1.0 / abs(x);
  let y: f32 = q * q;
  var p: f32 = 0.0;
  if (abs(x) < 2.0) {
    p = (((((((2.326819970068386e-2 * y - 1.387039388740657e-1) * y + 3.687424674597105e-1) * y - 5.824733027278666e-1) * y + 6.210004621745983e-1) * y - 4.944515323274145e-1) * y + 3.404879937665872e-1) * y - 2.741127028184656e-1) * y + 5.638259427386472e-1;
  } else {
    p = ((((((-1.047766399936249e1 * y + 1.297719955372516e1) * y - 7.495518717768503) * y + 2.921019019210786) * y - 1.015265279202700) * y + 4.218463358204948e-1) * y - 2.820767439740514e-1) * y + 5.641895067754075e-1;
  }
  let rest: f32 = exponential(-z) * q * p;
  return select(1.0 - rest, rest - 1.0, x < 0.0);`,
};

/** Sine (quarter 0) and cosine (quarter 1): Cody and Waite's reduction, Cephes' polynomials. */
const wave = `fn wave(x: f32, quarter: i32) -> f32 {
  if (is_nan(x) || abs(x) > 3.0e38) { return not_a_number(); }
  let k: f32 = floor(x * 0.636619772 + 0.5);
  let r: f32 = ((x - k * 1.5703125) - k * 4.837512969970703e-4) - k * 7.549789948768648e-8;
  let z: f32 = r * r;
  let turns: i32 = (i32(k) + quarter) & 3;
  let s: f32 = r + r * z * (-1.6666654611e-1 + z * (8.3321608736e-3 - 1.9515295891e-4 * z));
  let c: f32 = 1.0 - 0.5 * z + z * z * (4.166664568298827e-2 + z * (-1.388731625493765e-3 + 2.443315711809948e-5 * z));
  let v: f32 = select(s, c, (turns & 1) == 1);
  return select(v, -v, turns >= 2);
}
`;

const floatBodies: Record<BinaryKernel, string> = {
  add: 'return x + y;',
  sub: 'return x - y;',
  mul: 'return x * y;',
  div: 'return x / y;',
  pow: `if (y == 0.0) { return 1.0; }
  if (is_nan(x) || is_nan(y)) { return not_a_number(); }
  if (x == 0.0) { return select(0.0, float_of(0x7f800000), y < 0.0); }
  let size: f32 = pow(abs(x), y);
  if (x > 0.0) { return size; }
  if (floor(y) != y) { return not_a_number(); }
  return select(size, -size, floor(y * 0.5) * 2.0 != y);`,
  maximum: 'return select(select(y, x, x > y), not_a_number(), is_nan(x) || is_nan(y));',
  minimum: 'return select(select(y, x, x < y), not_a_number(), is_nan(x) || is_nan(y));',
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
  div: 'if (y == 0) { return 0; } return x / y;',
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
  maximum: 'return max(x, y);',
  minimum: 'return min(x, y);',
  equal: 'return select(0, 1, x == y);',
  notEqual: 'return select(0, 1, x != y);',
  less: 'return select(0, 1, x < y);',
  lessEqual: 'return select(0, 1, x <= y);',
  greater: 'return select(0, 1, x > y);',
  greaterEqual: 'return select(0, 1, x >= y);',
};

const arithmetic = new Set<BinaryKernel>(['add', 'sub', 'mul', 'div', 'pow', 'maximum', 'minimum']);

/** What a binary kernel gives for inputs of `dtype`. */
export function resultOf(kernel: BinaryKernel, dtype: DType): DType {
  return arithmetic.has(kernel) ? dtype : 'int32';
}

export function unaryText(kernel: UnaryKernel, size: number): string {
  const body = unaryBodies[kernel];
  return `${body.includes('wave(') ? wave : ''}fn apply(x: f32) -> f32 {
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
  const convert = { float32: 'f32', int32: 'i32', float64: '' }[to];
  return mapText(to, [loadAll('a', from, size, lanesOf(to))], ([x]) =>
    from === to ? x : `${convert}(${x})`,
  );
}

/** The inputs `a`, `b`, `c` as views of one shape, for an output of dtype `out`. */
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
export const reluGradientText = `fn kept(y: f32, g: f32) -> f32 { return select(0.0, g, y > 0.0); }
fn compute(t: i32) -> vec4f {
  let y: vec4f = a_at(t);
  let g: vec4f = b_at(t);
  return vec4f(kept(y.x, g.x), kept(y.y, g.y), kept(y.z, g.z), kept(y.w, g.w));
}`;
