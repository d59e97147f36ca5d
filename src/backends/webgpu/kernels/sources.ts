/** Where the values of elementwise kernels come from: views of buffers, pieces put together, a number. */
import type { DeviceBuffer, DType, Piece, View } from '../../backend.js';
import { type Walk, walkOf } from '../../gpu/walk.js';
import { sizeOf, stridesOf } from '../../layout.js';
import { padded, rankOf, walkNames, walkNumbers, walkText } from './views.js';

/** Values that are read from buffers as bits, four neighbours of the result at a time. */
export interface Source {
  /** Names everything on which `text` depends. */
  readonly key: string;
  readonly buffers: readonly DeviceBuffer[];
  /** The element of its bindings. */
  readonly unit: 'i32' | 'vec4i';
  readonly ints: readonly number[];
  /** The names of the integers of a source called `name`. */
  readonly names: (name: string) => readonly string[];
  /** The text of `fn NAME_four(t: i32) -> vec4i`. Binding i is `NAME_i`. */
  readonly text: (name: string) => string;
  /** Whether it reads one buffer, from its first value to its last. */
  readonly isWhole?: boolean;
}

/** The elements of a view, in their order. */
export const sourceOf = (view: View): Source => sourcesOf([view])[0];

/** The elements of several views. All are read in one way, so that few texts arise. */
export function sourcesOf(views: readonly View[]): Source[] {
  const flat = views.map(flatSource).filter((source) => source !== undefined);
  if (flat.length === views.length) return flat;
  const walks = views.map(({ shape, strides }) => walkOf(shape, [strides]));
  const rank = rankOf(Math.max(...walks.map(({ shape }) => shape.length)));
  return views.map((view, i) => walkSource(view, walks[i], rank));
}

/** Whether a view reads its buffer from the first value to the last. */
function isWhole(view: View): boolean {
  return view.offset === 0 && isContiguous(view) && sizeOf(view.shape) === view.buffer.size;
}

/** Whether a view steps through its buffer value by value. */
export function isContiguous({ shape, strides }: View): boolean {
  const own = stridesOf(shape);
  return shape.every((length, axis) => length === 1 || strides[axis] === own[axis]);
}

/**
 * A view of rows, in each of which lie neighbours or one value again and again: four neighbours then
 * need little arithmetic. Undefined for other views.
 */
function flatSource(view: View): Source | undefined {
  const { buffer, shape, strides, offset } = view;
  const { shape: lengths, strides: joined } = walkOf(shape, [strides]);
  const [own] = joined;
  if (lengths.length > 2 || (lengths.length === 2 && lengths[1] % 4 !== 0)) return undefined;
  const [step, stride] = [0, 0, ...own].slice(-2);
  const isEven = stride === 1 && offset % 4 === 0 && step % 4 === 0;
  if (!isEven && stride !== 0) return undefined;
  const period = Math.max(1, Math.ceil((lengths.at(-1) ?? 1) / 4));
  return {
    key: 'flat',
    buffers: [buffer],
    unit: 'vec4i',
    ints: [offset, Number(isEven), period, step],
    names: (name) => ['start', 'even', 'period', 'step'].map((number) => `${name}_${number}`),
    text: (name) => `fn ${name}_four(t: i32) -> vec4i {
  let row = t / p.${name}_period;
  let at = p.${name}_start + row * p.${name}_step;
  let four = p.${name}_0_at + (at >> 2u);
  if (p.${name}_even == 1) { return ${name}_0[four + t - row * p.${name}_period]; }
  return vec4i(${name}_0[four][at & 3]);
}
`,
    isWhole: isWhole(view),
  };
}

function walkSource(view: View, walk: Walk, rank: number): Source {
  const isEven = (walk.shape.at(-1) ?? 1) % 4 === 0;
  return {
    key: `walk ${rank}`,
    buffers: [view.buffer],
    unit: 'i32',
    ints: [view.offset, Number(isEven), ...walkNumbers(walk, rank)],
    isWhole: isWhole(view),
    names: (name) => [
      `${name}_start`,
      `${name}_even`,
      ...walkNames(`${name}_walk`, rank, [`${name}_0`]),
    ],
    text(name) {
      const step = `p.${name}_0_${name}_walk${rank - 1}`;
      return `${walkText(`${name}_walk`, rank, [`${name}_0`], [`p.${name}_0_at + p.${name}_start`])}fn ${name}_values(e: i32) -> vec4i {
  let at = ${name}_walk(e);
  if (p.${name}_even == 0) { return vec4i(${name}_0[at], 0, 0, 0); }
  return vec4i(${name}_0[at], ${name}_0[at + ${step}], ${name}_0[at + 2 * ${step}], ${name}_0[at + 3 * ${step}]);
}
${four(name)}`;
    },
  };
}

/**
 * `fn NAME_four(t)` for a `fn NAME_values(e)` that returns four values from value `e` on, or only
 * the first where `p.NAME_even` is 0. It calls it in one place, since a compiler copies it to each.
 */
function four(name: string): string {
  return `fn ${name}_four(t: i32) -> vec4i {
  var four = vec4i(0);
  for (var lane = 0; lane < select(4, 1, p.${name}_even == 1); lane++) {
    let some = ${name}_values(4 * t + lane);
    if (p.${name}_even == 1) { four = some; } else { four[lane] = some.x; }
  }
  return four;
}
`;
}

/** One value everywhere. */
export function constantSource(value: number, dtype: DType): Source {
  return {
    key: 'constant',
    buffers: [],
    unit: 'vec4i',
    ints: [bitsOf(value, dtype)],
    names: (name) => [`${name}_value`],
    text: (name) => `fn ${name}_four(t: i32) -> vec4i { return vec4i(p.${name}_value); }\n`,
  };
}

/** A value as the bits in which it is stored. */
export function bitsOf(value: number, dtype: DType): number {
  return dtype === 'int32' ? value : new Int32Array(Float32Array.of(value).buffer)[0];
}

/** A piece, over joined axes. */
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

/** Pieces of an array of `shape`; elsewhere the values of `base`, or `fill` (bits). */
export function joinSource(
  shape: readonly number[],
  pieces: readonly Piece[],
  fill: number,
  base?: DeviceBuffer,
): Source {
  const { lengths, blocks } = joinPieces(shape, pieces);
  const rank = rankOf(lengths.length);
  const isEven =
    lengths[lengths.length - 1] % 4 === 0 &&
    blocks.every((block) => {
      const last = block.shape.length - 1;
      return block.at[last] % 4 === 0 && block.shape[last] % 4 === 0;
    });
  const count = pieces.length;
  const axes = Array.from({ length: rank }, (_, axis) => axis);
  return {
    key: `join ${count} ${rank} ${base !== undefined}`,
    buffers: [...blocks.map(({ buffer }) => buffer), ...(base ? [base] : [])],
    unit: 'i32',
    ints: [
      ...[fill, Number(isEven)],
      ...padded(lengths, rank, 1),
      ...blocks.flatMap((block) => [
        block.offset,
        ...padded(block.at, rank, 0),
        ...padded(block.shape, rank, 1),
        ...padded(block.strides, rank, 0),
      ]),
    ],
    names: (name) => [
      ...['fill', 'even', ...axes.map((axis) => `n${axis}`)].map((number) => `${name}_${number}`),
      ...blocks.flatMap((_, i) => [
        `${name}_${i}_start`,
        ...['first', 'length', 'step'].flatMap((part) =>
          axes.map((axis) => `${name}_${i}_${part}${axis}`),
        ),
      ]),
    ],
    text(name) {
      // Four axes at a time in vectors, which need no branches.
      const fours = axes.filter((axis) => axis % 4 === 0);
      const vector = (prefix: string, axis: number) =>
        `vec4i(${[0, 1, 2, 3].map((i) => `${prefix}${axis + i}`)})`;
      const coordinates = [...axes].reverse().map((axis) => {
        const length = `u32(p.${name}_n${axis})`;
        return axis > 0
          ? `  let c${axis} = i32(r % ${length}); r = r / ${length};`
          : '  let c0 = i32(r);';
      });
      const tests = blocks.map((_, i) => {
        const piece = `${name}_${i}`;
        const own = `p.${piece}`;
        const lines = fours.map(
          (axis) =>
            `  let c_${i}_${axis} = ${vector('c', axis)} - ${vector(`${own}_first`, axis)};`,
        );
        const within = fours.map(
          (axis) =>
            `all(c_${i}_${axis} >= vec4i(0)) & all(c_${i}_${axis} < ${vector(`${own}_length`, axis)})`,
        );
        const at = fours.map((axis) => `dot(c_${i}_${axis}, ${vector(`${own}_step`, axis)})`);
        const step = `${own}_step${rank - 1}`;
        return `${lines.join('\n')}
  if (${within.join(' & ')}) {
    let at = ${own}_at + ${own}_start + ${at.join(' + ')};
    if (p.${name}_even == 0) { return vec4i(${piece}[at], 0, 0, 0); }
    return vec4i(${piece}[at], ${piece}[at + ${step}], ${piece}[at + 2 * ${step}], ${piece}[at + 3 * ${step}]);
  }`;
      });
      const below = `${name}_${count}`;
      return `fn ${name}_values(e: i32) -> vec4i {
  var r = u32(e);
${coordinates.join('\n')}
${tests.join('\n')}
  ${base ? `let b = p.${below}_at + e; return vec4i(${below}[b], ${below}[b + 1], ${below}[b + 2], ${below}[b + 3]);` : `return vec4i(p.${name}_fill);`}
}
${four(name)}`;
    },
  };
}
