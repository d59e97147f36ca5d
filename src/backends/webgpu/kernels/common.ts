/** Pieces of text and of launches that several kernels share. */
import type { DeviceBuffer } from '../../backend.js';
import type { Launch } from '../launch.js';

/** The element of a binding: one value, or four neighbours. */
export type Unit = 'f32' | 'vec4f';

/** Values in a `Unit`. */
export const lanesOf = (unit: Unit): number => (unit === 'vec4f' ? 4 : 1);

/** Reads rows of `widths` four values at a time, where each of them is a multiple of 4. */
export const unitOf = (...widths: readonly number[]): Unit =>
  widths.every((width) => width % 4 === 0) ? 'vec4f' : 'f32';

/** Applies a function of one value to each value of a unit. */
export function each(unit: Unit, f: (lane: string) => string): string {
  return unit === 'f32' ? f('') : `vec4f(${['.x', '.y', '.z', '.w'].map(f).join(', ')})`;
}

/**
 * The entry point of a kernel of workgroups of `threads` threads. The statements `body` know the
 * number `group` of their workgroup (as device.ts spreads it) and the number `t` of their thread.
 */
export const main = (threads: number, body: string) => `@compute @workgroup_size(${threads})
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let group = i32(workgroup.x + workgroup.y * workgroups.x);
  let t = i32(thread);
${body}
}
`;

/** Threads in a workgroup of an elementwise kernel. */
export const GROUP = 256;

/** A kernel that runs `body` for each `i` below the number `count`. */
export const forEach = (body: string) =>
  main(GROUP, `  let i = group * ${GROUP} + t;\n  if (i >= p.count) { return; }\n${body}`);

/** `list(4, (i) => ...)`: the results of a function of 0 to 3. */
export const list = <T>(length: number, f: (i: number) => T): T[] =>
  Array.from({ length }, (_, i) => f(i));
/** The same as lines of text. */
export const lines = (length: number, f: (i: number) => string): string =>
  list(length, f).join('\n');
/** Runs a statement for each value of a unit. */
export const perLane = (unit: Unit, statement: (lane: string) => string): string =>
  (unit === 'f32' ? [''] : ['.x', '.y', '.z', '.w']).map(statement).join(' ');

/**
 * `a_four(i, left)`: four values from value `i` on, of which only the first `left` belong to the
 * matrix; the others are 0. It has no branch, so that a GPU can have many such reads under way.
 * `a_one(i)`: value `i`.
 */
export function reader(name: string, unit: Unit): string {
  if (unit === 'vec4f') {
    return `fn ${name}_four(i: i32, left: i32) -> vec4f {
  return select(vec4f(), ${name}[i >> 2u], left > 0);
}
fn ${name}_one(i: i32) -> f32 { return ${name}[i >> 2u][i & 3]; }
`;
  }
  const values = list(4, (s) => `select(0.0, ${name}[i + ${s}], left > ${s})`);
  return `fn ${name}_four(i: i32, left: i32) -> vec4f {
  return vec4f(${values.join(', ')});
}
fn ${name}_one(i: i32) -> f32 { return ${name}[i]; }
`;
}

export const xyzw = ['x', 'y', 'z', 'w'];

/** A vector of a function of its lanes, such as '.x'. */
export const byLane = (f: (lane: string, i: number) => string, type = 'vec4f'): string =>
  `${type}(${xyzw.map((lane, i) => f(`.${lane}`, i)).join(', ')})`;

/** `exponentials(x)`: `exponential` of the library (../../gpu/library.ts) of four values at once; `are_nan(x)`. */
export const exponentialsText = `fn are_nan(x: vec4f) -> vec4<bool> { return (bitcast<vec4i>(x) & vec4i(0x7fffffff)) > vec4i(0x7f800000); }
fn exponentials(x: vec4f) -> vec4f {
  let above = x > vec4f(88.72283);
  let below = x < vec4f(-87.33654);
  let nan = are_nan(x);
  let y = select(x, vec4f(), above | below | nan);
  let n = floor(y * 1.44269504 + 0.5);
  let r = y - n * 0.693359375 + n * 2.12194440e-4;
  let q = ((((1.9875691500e-4 * r + 1.3981999507e-3) * r + 8.3334519073e-3) * r + 4.1665795894e-2) * r + 1.6666665459e-1) * r + 5.0000001201e-1;
  let low = vec4i(n) >> vec4u(1u);
  let high = vec4i(n) - low;
  let power = (q * r * r + r + 1.0) * bitcast<vec4f>((low + 127) << vec4u(23u)) * bitcast<vec4f>((high + 127) << vec4u(23u));
  return select(select(select(power, vec4f(float_of(0x7f800000)), above), vec4f(), below), x, nan);
}
`;

/** Addends to some of the results of a launch, by number. */
export type Addends = readonly (DeviceBuffer | undefined)[];

/**
 * The launch that `of` describes, at first without addends. A prepared list may then add one to each
 * of the first `count` results.
 */
export function adding(
  count: number,
  of: (addends: Addends) => Launch,
  addends: Addends = [],
): Launch {
  return {
    ...of(addends),
    complete({ name, operand }, output) {
      if (name !== 'addend' || output >= count || addends[output]) return undefined;
      return adding(count, of, Object.assign([...addends], { [output]: operand }));
    },
  };
}
