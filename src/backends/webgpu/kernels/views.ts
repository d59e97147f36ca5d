/** Kernels over strided views: the walk that they share, and `assemble`. */
import type { DeviceBuffer, DType, Piece, View } from '../../backend.js';
import { type Walk, walkOf } from '../../gpu/walk.js';
import { sizeOf, stridesOf } from '../../layout.js';
import type { WebGPUDevice } from '../device.js';
import { spread } from '../launch.js';
import type { GpuBuffer } from '../memory.js';
import { type Addends, adding } from './common.js';

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

/** Copies the elements of a view, in their order. */
function copy(device: WebGPUDevice, { buffer, shape, strides, offset }: View): GpuBuffer {
  const walk = walkOf(shape, [strides]);
  const size = sizeOf(shape);
  const quads = Math.ceil(size / 4);
  const result = { dtype: buffer.dtype, size };
  const groups = quadGroups(size);
  const contiguous =
    walk.shape.length === 0 || (walk.shape.length === 1 && walk.strides[0][0] === 1);
  if (contiguous && offset % 4 === 0) {
    const [out] = device.run({
      key: 'copy',
      make: () => ({
        inputs: ['a: vec4i'],
        outputs: ['out: vec4i'],
        ints: ['quads', 'start'],
        text: `${eachQuad}  out[p.out_at + t] = a[p.a_at + p.start + t];\n}`,
      }),
      inputs: [buffer],
      results: [result],
      ints: [quads, offset / 4],
      groups,
    });
    return out;
  }
  const rank = rankOf(walk.shape.length);
  const last = `walk${rank - 1}`;
  const [out] = device.run({
    key: `view ${rank}`,
    make: () => ({
      inputs: ['a: i32'],
      outputs: ['out: vec4i'],
      ints: ['quads', 'start', ...walkNames('walk', rank, ['a'])],
      text: `${walkText('walk', rank, ['a'], ['p.a_at + p.start'])}${eachQuad}  let e = 4 * t;
  if (p.${last} % 4 == 0) {
    let at = walk(e);
    let step = p.a_${last};
    out[p.out_at + t] = vec4i(a[at], a[at + step], a[at + 2 * step], a[at + 3 * step]);
  } else {
    out[p.out_at + t] = vec4i(a[walk(e)], a[walk(e + 1)], a[walk(e + 2)], a[walk(e + 3)]);
  }
}`,
    }),
    inputs: [buffer],
    results: [result],
    ints: [quads, offset, ...walkNumbers(walk, rank)],
    groups,
  });
  return out;
}

/** A block of an assembled buffer, over joined axes. */
interface Block {
  readonly buffer: DeviceBuffer;
  readonly offset: number;
  readonly at: number[];
  readonly shape: number[];
  readonly strides: number[];
}

/**
 * Joins axes of the result that every piece covers whole, and steps through evenly together with
 * the axis before.
 */
function joinPieces(shape: readonly number[], pieces: readonly Piece[]) {
  const lengths: number[] = [];
  const blocks: Block[] = pieces.map(({ view }) => ({
    buffer: view.buffer,
    offset: view.offset,
    at: [],
    shape: [],
    strides: [],
  }));
  for (const [axis, length] of shape.entries()) {
    const last = lengths.length - 1;
    const joins =
      last >= 0 &&
      pieces.every(
        ({ view }, i) =>
          view.shape[axis] === length &&
          (blocks[i].shape[last] === 1 || blocks[i].strides[last] === view.strides[axis] * length),
      );
    const into = joins ? last : last + 1;
    lengths[into] = (joins ? lengths[into] : 1) * length;
    for (const [i, { view, at }] of pieces.entries()) {
      const block = blocks[i];
      block.at[into] = joins ? block.at[into] * length : at[axis];
      block.shape[into] = (joins ? block.shape[into] : 1) * view.shape[axis];
      block.strides[into] = view.strides[axis];
    }
  }
  return { lengths, blocks };
}

/** Puts pieces onto `base`, or onto `fill` (bits). */
function join(
  device: WebGPUDevice,
  shape: readonly number[],
  result: { dtype: DType; size: number },
  pieces: readonly Piece[],
  fill: number,
  base?: DeviceBuffer,
): GpuBuffer {
  const { lengths, blocks } = joinPieces(shape, pieces);
  const rank = rankOf(lengths.length);
  const inner = lengths[lengths.length - 1];
  const even = blocks.every((block) => {
    const last = block.shape.length - 1;
    return block.at[last] % 4 === 0 && block.shape[last] % 4 === 0;
  });
  const count = pieces.length;
  const names = Array.from({ length: count }, (_, i) => `a${i}`);
  const axes = Array.from({ length: rank }, (_, axis) => axis);
  const make = (addend?: DeviceBuffer) => () => {
    const ints = ['quads', 'fill', 'even', ...axes.map((axis) => `n${axis}`)];
    for (const name of names) {
      ints.push(`${name}_start`);
      for (const part of ['first', 'length', 'step']) {
        ints.push(...axes.map((axis) => `${name}_${part}${axis}`));
      }
    }
    // Four axes at a time in vectors, which need no branches.
    const fours = axes.filter((axis) => axis % 4 === 0);
    const four = (prefix: string, axis: number) =>
      `vec4i(${[0, 1, 2, 3].map((i) => `${prefix}${axis + i}`)})`;
    const coordinates = [...axes].reverse().map((axis) => {
      const length = `u32(p.n${axis})`;
      return axis > 0
        ? `  let c${axis} = i32(r % ${length}); r = r / ${length};`
        : '  let c0 = i32(r);';
    });
    const tests = names.map((name) => {
      const lines = fours.map(
        (axis) => `  let ${name}_${axis} = ${four('c', axis)} - ${four(`p.${name}_first`, axis)};`,
      );
      const within = fours.map(
        (axis) =>
          `all(${name}_${axis} >= vec4i(0)) & all(${name}_${axis} < ${four(`p.${name}_length`, axis)})`,
      );
      const at = fours.map((axis) => `dot(${name}_${axis}, ${four(`p.${name}_step`, axis)})`);
      const step = `p.${name}_step${rank - 1}`;
      return `${lines.join('\n')}
  if (${within.join(' & ')}) {
    let at = p.${name}_at + p.${name}_start + ${at.join(' + ')};
    if (p.even == 0) { return vec4i(${name}[at], 0, 0, 0); }
    return vec4i(${name}[at], ${name}[at + ${step}], ${name}[at + 2 * ${step}], ${name}[at + 3 * ${step}]);
  }`;
    });
    return {
      inputs: [
        ...names.map((name) => `${name}: i32`),
        ...(base ? ['base: i32'] : []),
        ...(addend ? ['addend: vec4f'] : []),
      ],
      outputs: ['out: vec4i'],
      ints,
      text: `fn values(e: i32) -> vec4i {
  var r = u32(e);
${coordinates.join('\n')}
${tests.join('\n')}
  ${base ? 'let b = p.base_at + e; return vec4i(base[b], base[b + 1], base[b + 2], base[b + 3]);' : 'return vec4i(p.fill);'}
}
${eachQuad}  // One call, since a compiler copies the function to each.
  var four = vec4i(0);
  for (var lane = 0; lane < select(4, 1, p.even == 1); lane++) {
    let some = values(4 * t + lane);
    if (p.even == 1) { four = some; } else { four[lane] = some.x; }
  }
  out[p.out_at + t] = ${addend ? 'bitcast<vec4i>(bitcast<vec4f>(four) + addend[p.addend_at + t])' : 'four'};
}`,
    };
  };
  const launch = ([addend]: Addends) => ({
    key: `join ${count} ${rank} ${base !== undefined} ${addend !== undefined}`,
    make: make(addend),
    inputs: [
      ...blocks.map(({ buffer }) => buffer),
      ...[base, addend].filter((buffer) => buffer !== undefined),
    ],
    results: [result],
    ints: [
      Math.ceil(result.size / 4),
      fill,
      Number(even && inner % 4 === 0),
      ...padded(lengths, rank, 1),
      ...blocks.flatMap((block) => [
        block.offset,
        ...padded(block.at, rank, 0),
        ...padded(block.shape, rank, 1),
        ...padded(block.strides, rank, 0),
      ]),
    ],
    groups: quadGroups(result.size),
  });
  // An addend takes the binding of a base.
  const [out] = device.run(adding(result.dtype === 'float32' && !base ? 1 : 0, launch));
  return out;
}

/** A value as the bits in which it is stored. */
export function bitsOf(value: number, dtype: DType): number {
  return dtype === 'int32' ? value : new Int32Array(Float32Array.of(value).buffer)[0];
}

/** Returns a buffer of `size` equal values. */
export function fill(device: WebGPUDevice, value: number, size: number, dtype: DType): GpuBuffer {
  const [out] = device.run({
    key: 'fill',
    make: () => ({
      inputs: [],
      outputs: ['out: vec4i'],
      ints: ['quads', 'value'],
      text: `${eachQuad}  out[p.out_at + t] = vec4i(p.value);\n}`,
    }),
    inputs: [],
    results: [{ dtype, size }],
    ints: [Math.ceil(size / 4), bitsOf(value, dtype)],
    groups: quadGroups(size),
  });
  return out;
}

/** The contract's `assemble`. */
export function assemble(
  device: WebGPUDevice,
  shape: readonly number[],
  dtype: DType,
  value: number,
  pieces: readonly Piece[],
): GpuBuffer {
  const size = sizeOf(shape);
  const parts = pieces.filter(({ view }) => sizeOf(view.shape) > 0);
  if (parts.length === 0 || size === 0) return fill(device, value, size, dtype);
  const [{ view }] = parts;
  if (sizeOf(view.shape) === size) {
    // Whole rows from the front or the middle need no copy, since nothing writes into a buffer later.
    if (isContiguous(view) && view.offset % 4 === 0)
      return device.part(view.buffer, view.offset, size);
    return copy(device, view);
  }
  // A kernel has room for a number of buffers, and of numbers.
  const most =
    rankOf(shape.length) > 8 ? 2 : Math.min(6, device.limits.maxStorageBuffersPerShaderStage - 2);
  let done: GpuBuffer | undefined;
  for (let next = 0; next < parts.length; next += most) {
    const some = parts.slice(next, next + most);
    const before: GpuBuffer | undefined = done;
    const put = () => join(device, shape, { dtype, size }, some, bitsOf(value, dtype), before);
    done = before ? device.using([before], put) : put();
  }
  return done as GpuBuffer;
}

/** Whether a view steps through its buffer value by value. */
export function isContiguous({ shape, strides }: View): boolean {
  const own = stridesOf(shape);
  return shape.every((length, axis) => length === 1 || strides[axis] === own[axis]);
}
