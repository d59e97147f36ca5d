/** Pieces of text that several kernels share. */

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
