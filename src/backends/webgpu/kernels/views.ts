/** What kernels over strided views share. */
import type { Walk } from '../../gpu/walk.js';
import { spread } from '../launch.js';

/** Threads in a workgroup of a kernel that computes each value by itself. */
const GROUP = 64;

/**
 * The head of a kernel in which each thread computes four neighbours of the result, `out[p.out_at +
 * t]`. The number `quads` says how many fours there are; what lies after the last value is padding.
 */
export const eachQuad = `@compute @workgroup_size(${GROUP})
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let t = i32(id.x + id.y * groups.x * ${GROUP}u);
  if (t >= p.quads) { return; }
`;

/** The workgroups of a kernel with `eachQuad`. */
export function quadGroups(size: number): [number, number] {
  return spread(Math.ceil(size / (4 * GROUP)));
}

/** Returns the rank, at least `rank`, for which a kernel's text is written: there are only four. */
export function rankOf(rank: number): number {
  return [4, 8, 16].find((most) => rank <= most) ?? 32;
}

/** `values` with as many `missing` in front as make them `rank` long. */
export function padded(values: readonly number[], rank: number, missing: number): number[] {
  return [...Array(rank - values.length).fill(missing), ...values];
}

/** The names of the numbers of a walk: the lengths of its axes, then the strides of each array. */
export function walkNames(walk: string, rank: number, arrays: readonly string[]): string[] {
  const each = (name: string) => Array.from({ length: rank }, (_, axis) => `${name}${axis}`);
  return [walk, ...arrays.map((array) => `${array}_${walk}`)].flatMap(each);
}

/** The numbers for `walkNames`. */
export function walkNumbers({ shape, strides }: Walk, rank: number): number[] {
  return [...padded(shape, rank, 1), ...strides.flatMap((own) => padded(own, rank, 0))];
}

/**
 * Returns `fn walk(e: i32)`, the position of element e of a walk in each array, as an i32 or a
 * vector of them. An array begins at `starts`.
 */
export function walkText(
  walk: string,
  rank: number,
  arrays: readonly string[],
  starts: readonly string[],
): string {
  const type = ['i32', 'vec2i', 'vec3i'][arrays.length - 1];
  const all = (each: (array: string, i: number) => string) => `${type}(${arrays.map(each)})`;
  const lines = [`fn ${walk}(e: i32) -> ${type} {`, '  var r = u32(e);'];
  lines.push(`  var o = ${all((_, i) => starts[i])};`);
  for (let axis = rank - 1; axis > 0; axis--) {
    lines.push(`  let q${axis} = r / u32(p.${walk}${axis});`);
    lines.push(
      `  o += i32(r - q${axis} * u32(p.${walk}${axis})) * ${all((array) => `p.${array}_${walk}${axis}`)};`,
      `  r = q${axis};`,
    );
  }
  lines.push(`  return o + i32(r) * ${all((array) => `p.${array}_${walk}0`)};`, '}\n');
  return lines.join('\n');
}
