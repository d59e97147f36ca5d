/**
 * The text of kernels. They are written in the part of WGSL that reads almost like GLSL, as is the
 * library that both GPU backends share: scalars, `vec4f`, `vec4i`, `vec2u`, `let` and `var` with a
 * type, and C's loops. `toGlsl` changes the spelling.
 *
 * A kernel is `fn compute(t: i32) -> vec4f`, which returns texel `t` of its output. It reads the
 * inputs `a`, `b`, ... through `a_at(texel)` or the readers below, and the numbers `number0`,
 * `number1`, ... A kernel with several outputs also sets `more1`, `more2`, ... Loops with many
 * reads keep a `cursor`: `a_read(a_cursor(i) + a_cursor(j))` is `a_at(i + j)` with less arithmetic.
 */
import { library } from '../gpu/library.js';

/** The names of the inputs, in order: no kernel has more. */
export const inputNames = ['a', 'b', 'c', 'd', 'e', 'f'] as const;

/** Functions that read an input by `a_at`. A kernel includes only those that it calls. */
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

/** Functions of WGSL that GLSL lacks, and those that the library expects. */
const glslOnly = `float select(float no, float yes, bool c) { return c ? yes : no; }
int select(int no, int yes, bool c) { return c ? yes : no; }
uint select(uint no, uint yes, bool c) { return c ? yes : no; }
vec4 select(vec4 no, vec4 yes, bool c) { return c ? yes : no; }
float float_of(int bits) { return intBitsToFloat(bits); }
int bits_of(float x) { return floatBitsToInt(x); }`;

/** The source of a kernel. */
export interface KernelText {
  /** Functions in WGSL; the last is `compute`. */
  readonly text: string;
  readonly inputs: number;
  /** The number of its numbers. */
  readonly numbers: number;
  /** The number of its outputs; it computes one texel of each. */
  readonly outputs: number;
}

/** Prepends the readers and library functions that `text` calls. */
export function complete(text: string): string {
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

/**
 * Returns the GLSL ES 3.00 of a kernel. `samplers` are the GLSL functions `a_at`, ...; numbers are
 * uniforms with `prefix`.
 */
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
    .replace(/\b(f32|i32|u32|vec4f|vec4i|vec2u|cursor)\b/g, (type) => glslTypes[type]);
}

const glslTypes: Record<string, string> = {
  f32: 'float',
  i32: 'int',
  u32: 'uint',
  vec4f: 'vec4',
  vec4i: 'ivec4',
  vec2u: 'uvec2',
  cursor: 'float',
};

function extras(outputs: number, line: (index: number) => string): string {
  return Array.from({ length: outputs - 1 }, (_, i) => line(i + 1)).join('\n');
}
