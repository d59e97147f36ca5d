/**
 * The text of kernels. They are written once, in the part of WGSL that reads almost as GLSL does:
 * scalars, `vec4f`, `vec4i`, `let` and `var` with a type, C's loops. `toGlsl` changes the spelling.
 *
 * A kernel is `fn compute(t: i32) -> vec4f`, which gives texel `t` of its output. It reads input
 * `a`, `b`, ... by `a_at(texel)`, or by the readers below, and `number0`, `number1`, ... A kernel
 * with several outputs sets `more1`, `more2`, ... besides. Loops that read much keep a `place`:
 * `a_read(a_place(i) + a_place(j))` is `a_at(i + j)` with less arithmetic.
 */

/** Names of the inputs, in order. WebGPU guarantees eight buffers, of which up to four are written. */
export const inputNames = ['a', 'b', 'c', 'd', 'e', 'f'] as const;

/** Ways to read an input, each in terms of `a_at`; only those that a kernel names become part of it. */
const readers: Record<string, string> = {
  /** Float element i. */
  value: `fn a_value(i: i32) -> f32 { return lane_of(a_at(i >> 2u), i & 3); }`,
  /** Float elements i to i + 3, which may straddle two texels. */
  four: `fn a_four(i: i32) -> vec4f {
  let s: i32 = i & 3;
  let v: vec4f = a_at(i >> 2u);
  if (s == 0) { return v; }
  let w: vec4f = a_at((i >> 2u) + 1);
  if (s == 1) { return vec4f(v.y, v.z, v.w, w.x); }
  if (s == 2) { return vec4f(v.z, v.w, w.x, w.y); }
  return vec4f(v.w, w.x, w.y, w.z);
}`,
  /** Element i of an int32 input. */
  int: `fn a_int(i: i32) -> i32 {
  let v: vec4f = a_at(i >> 1u);
  return select(whole(v.x, v.y), whole(v.z, v.w), (i & 1) == 1);
}`,
  /** Elements i to i + 3 of an int32 input. */
  ints: `fn a_ints(i: i32) -> vec4i {
  let u: vec4f = a_at(i >> 1u);
  let v: vec4f = a_at((i >> 1u) + 1);
  if ((i & 1) == 0) { return vec4i(whole(u.x, u.y), whole(u.z, u.w), whole(v.x, v.y), whole(v.z, v.w)); }
  let w: vec4f = a_at((i >> 1u) + 2);
  return vec4i(whole(u.z, u.w), whole(v.x, v.y), whole(v.z, v.w), whole(w.x, w.y));
}`,
};

/** Functions that kernels share, in an order in which each needs only those before it. */
const library: Record<string, string> = {
  lane_of: `fn lane_of(v: vec4f, lane: i32) -> f32 {
  return select(select(v.x, v.y, lane == 1), select(v.z, v.w, lane == 3), lane >= 2);
}`,
  // An int32 is kept as two floats, its upper and its lower half, which every GPU holds exactly:
  // the bits themselves would be flushed to 0 as denormal floats, or changed as NaN.
  whole: `fn whole(upper: f32, lower: f32) -> i32 { return i32(upper) * 65536 + i32(lower); }`,
  halves: `fn halves(x: i32, y: i32) -> vec4f {
  return vec4f(f32(x >> 16u), f32(x & 65535), f32(y >> 16u), f32(y & 65535));
}`,
  // By its bits: compilers may take x != x for false.
  is_nan: `fn is_nan(x: f32) -> bool { return (bits_of(x) & 0x7fffffff) > 0x7f800000; }`,
  not_a_number: `fn not_a_number() -> f32 { return float_of(0x7fc00000); }`,
  // Cody and Waite's reduction with the polynomial of Cephes' expf: GPUs promise far less.
  exponential: `fn exponential(x: f32) -> f32 {
  if (is_nan(x)) { return x; }
  if (x < -87.33654) { return 0.0; }
  if (x > 88.72283) { return float_of(0x7f800000); }
  let n: f32 = floor(x * 1.44269504 + 0.5);
  let r: f32 = x - n * 0.693359375 + n * 2.12194440e-4;
  let p: f32 = ((((1.9875691500e-4 * r + 1.3981999507e-3) * r + 8.3334519073e-3) * r + 4.1665795894e-2) * r + 1.6666665459e-1) * r + 5.0000001201e-1;
  let low: i32 = i32(n) >> 1u;
  return (p * r * r + r + 1.0) * float_of((low + 127) << 23u) * float_of((i32(n) - low + 127) << 23u);
}`,
  // Cephes' logf.
  logarithm: `fn logarithm(x: f32) -> f32 {
  if (is_nan(x) || x < 0.0) { return not_a_number(); }
  if (x == 0.0) { return -float_of(0x7f800000); }
  if (x > 3.4028234e38) { return x; }
  let bits: i32 = bits_of(x);
  let low: f32 = float_of((bits & 0x7fffff) | 0x3f000000);
  let small: bool = low < 0.707106781;
  let m: f32 = select(low, low + low, small) - 1.0;
  let e: f32 = f32((bits >> 23u) - select(126, 127, small));
  let z: f32 = m * m;
  let p: f32 = ((((((((7.0376836292e-2 * m - 1.1514610310e-1) * m + 1.1676998740e-1) * m - 1.2420140846e-1) * m + 1.4249322787e-1) * m - 1.6668057665e-1) * m + 2.0000714765e-1) * m - 2.4999993993e-1) * m + 3.3333331174e-1) * m * z;
  return m + (p - 2.12194440e-4 * e - 0.5 * z) + 0.693359375 * e;
}`,
};

/** What the two languages spell differently, or one of them lacks. */
const glslOnly = `float select(float no, float yes, bool c) { return c ? yes : no; }
int select(int no, int yes, bool c) { return c ? yes : no; }
vec4 select(vec4 no, vec4 yes, bool c) { return c ? yes : no; }
float float_of(int bits) { return intBitsToFloat(bits); }
int bits_of(float x) { return floatBitsToInt(x); }`;
// Through a variable: a constant expression must not be infinite.
const wgslOnly = `fn float_of(bits: i32) -> f32 { var kept: i32 = bits; return bitcast<f32>(kept); }
fn bits_of(x: f32) -> i32 { return bitcast<i32>(x); }`;

/** What a kernel is compiled from. */
export interface KernelText {
  /** Functions in WGSL; the last is `compute`. */
  readonly text: string;
  readonly inputs: number;
  /** How many numbers it takes. */
  readonly numbers: number;
  /** How many texels it gives at a time, each to an output of its own. */
  readonly outputs: number;
}

/** `text` with the readers and the shared functions that it names in front. */
function complete(text: string): string {
  let whole = text;
  for (const name of inputNames) {
    for (const [reader, source] of Object.entries(readers)) {
      if (whole.includes(`${name}_${reader}(`)) {
        whole = `${source.replaceAll('a_', `${name}_`)}\n${whole}`;
      }
    }
  }
  for (const [name, source] of Object.entries(library).reverse()) {
    if (whole.includes(`${name}(`)) whole = `${source}\n${whole}`;
  }
  return whole;
}

/** The GLSL ES 3.00 of a kernel. `samplers` are its functions `a_at`, in GLSL; numbers are uniforms of `prefix`. */
export function toGlsl({ text, outputs }: KernelText, samplers: string, prefix: string): string {
  const body = complete(text)
    .replace(/\bfn (\w+)\(([^)]*)\) -> (\w+)/g, (_, name, list, type) => {
      const parameters = list.replace(/(\w+): (\w+)/g, '$2 $1');
      return `${type} ${name}(${parameters})`;
    })
    .replace(/\b(?:let|var) (\w+): (\w+)/g, '$2 $1')
    .replace(/\bnumber(\d)/g, `${prefix}number$1`);
  return [glslOnly, extras(outputs, (i) => `vec4f more${i};`), samplers, body]
    .join('\n')
    .replace(/\b(f32|i32|u32|vec4f|vec4i|place)\b/g, (type) => glslTypes[type]);
}

const glslTypes: Record<string, string> = {
  f32: 'float',
  i32: 'int',
  u32: 'uint',
  vec4f: 'vec4',
  vec4i: 'ivec4',
  place: 'float',
};

/** Threads of a workgroup. */
export const GROUP = 64;

/** The WGSL module of a kernel that gives `texels` texels, `width` of them to a row of workgroups. */
export function toWgsl(kernel: KernelText, texels: number, width: number): string {
  const { inputs, outputs, numbers } = kernel;
  const binding = (index: number) => `@group(0) @binding(${index})`;
  const lines: string[] = [];
  inputNames.slice(0, inputs).forEach((name, i) => {
    lines.push(`${binding(i)} var<storage, read> input_${name}: array<vec4f>;`);
    lines.push(`fn ${name}_place(i: i32) -> i32 { return i; }`);
    lines.push(`fn ${name}_read(i: i32) -> vec4f { return input_${name}[i]; }`);
    lines.push(`fn ${name}_at(i: i32) -> vec4f { return input_${name}[i]; }`);
  });
  for (let i = 0; i < outputs; i++) {
    lines.push(`${binding(inputs + i)} var<storage, read_write> output${i}: array<vec4f>;`);
  }
  if (numbers > 0) {
    const members = Array.from({ length: numbers }, (_, i) => `n${i}: f32`);
    lines.push(`struct Numbers { ${members.join(', ')} }`);
    lines.push(`${binding(inputs + outputs)} var<uniform> numbers: Numbers;`);
  }
  const text = complete(kernel.text).replace(/\bnumber(\d)/g, 'numbers.n$1');
  lines.push(
    'alias place = i32;',
    wgslOnly,
    extras(outputs, (i) => `var<private> more${i}: vec4f;`),
    text,
    `@compute @workgroup_size(${GROUP})
fn main(@builtin(global_invocation_id) id: vec3u) {
  let t: i32 = i32(id.x + id.y * ${width}u);
  if (t >= ${texels}) { return; }
  output0[t] = compute(t);
  ${extras(outputs, (i) => `output${i}[t] = more${i};`)}
}`,
  );
  return lines.join('\n');
}

function extras(outputs: number, line: (index: number) => string): string {
  return Array.from({ length: outputs - 1 }, (_, i) => line(i + 1)).join('\n');
}
