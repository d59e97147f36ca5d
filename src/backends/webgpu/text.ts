/** Writes the WGSL module of a kernel: its bindings, its numbers, and the functions that it calls. */
import { library } from '../gpu/library.js';

/** The source of a kernel. */
export interface KernelText {
  /** Names and element types in binding order, as 'a: vec4f' or 'indices: i32'. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Names of the numbers: integers (i32), then floats. */
  readonly ints?: readonly string[];
  readonly floats?: readonly string[];
  /**
   * Functions in WGSL, one of them `@compute @workgroup_size(..) fn main(..)`. Functions of the
   * library (../gpu/library.ts) are added where they are called.
   */
  readonly text: string;
}

// bitcast takes a variable, since a constant expression must not be infinite.
const bits = `fn float_of(bits: i32) -> f32 { var kept: i32 = bits; return bitcast<f32>(kept); }
fn bits_of(x: f32) -> i32 { return bitcast<i32>(x); }`;

/** The number of 32-bit words in an element of a binding, as 'a: vec4f'. */
export function wordsOf(binding: string): number {
  return /: *vec4/.test(binding) ? 4 : /: *vec2/.test(binding) ? 2 : 1;
}

/**
 * Returns the module. Binding `a` of element type T is `array<T>`, and its values begin at
 * `a[p.a_at]`, since they may be a part of a larger buffer.
 */
export function moduleOf({ inputs, outputs, ints = [], floats = [], text }: KernelText): string {
  const lines: string[] = [];
  const members: string[] = [];
  for (const [i, binding] of [...inputs, ...outputs].entries()) {
    const [name, type] = binding.split(/: */);
    const access = i < inputs.length ? 'read' : 'read_write';
    lines.push(`@group(0) @binding(${i}) var<storage, ${access}> ${name}: array<${type}>;`);
    members.push(`${name}_at: i32`);
  }
  members.push(...ints.map((name) => `${name}: i32`), ...floats.map((name) => `${name}: f32`));
  const last = inputs.length + outputs.length;
  lines.push(`struct Params { ${members.join(', ')} }`);
  lines.push(`@group(0) @binding(${last}) var<uniform> p: Params;`, bits);
  let whole = text;
  for (const [name, source] of Object.entries(library).reverse()) {
    if (new RegExp(`\\b${name}\\(`).test(whole)) whole = `${source}\n${whole}`;
  }
  return `${lines.join('\n')}\n${whole}`;
}
