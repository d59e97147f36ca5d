/**
 * The text that addresses elements of strided views. Lengths and strides are constants in the text.
 */
import type { DType } from '../../backend.js';
import { walkOf as joinedWalk, type Walk } from '../../gpu/walk.js';

/** The number of elements in a texel: an int32 takes two floats. */
export function lanesOf(dtype: DType): number {
  return dtype === 'int32' ? 2 : 4;
}

/** The walk of `../../gpu/walk.ts` with at least one axis. */
export function walkOf(shape: readonly number[], strides: readonly (readonly number[])[]): Walk {
  const walk = joinedWalk(shape, strides);
  return walk.shape.length > 0 ? walk : { shape: [1], strides: strides.map(() => [0]) };
}

/**
 * Returns `fn name(e: i32) -> i32`, the position in an array of element `e`, counted in row-major
 * order over `shape`.
 */
export function indexFunction(
  name: string,
  shape: readonly number[],
  strides: readonly number[],
  offset = 0,
): string {
  const lines = [`fn ${name}(e: i32) -> i32 {`, '  var r: i32 = e;', `  var o: i32 = ${offset};`];
  for (let axis = shape.length - 1; axis > 0; axis--) {
    const quotient = `q${axis}`;
    lines.push(`  let ${quotient}: i32 = r / ${shape[axis]};`);
    if (strides[axis] !== 0) {
      lines.push(`  o += (r - ${quotient} * ${shape[axis]}) * ${strides[axis]};`);
    }
    lines.push(`  r = ${quotient};`);
  }
  if (shape.length > 0 && strides[0] !== 0) lines.push(`  o += r * ${strides[0]};`);
  return `${[...lines, '  return o;', '}'].join('\n')}\n`;
}

/** The text that reads the elements of one texel of the output. */
export interface Load {
  readonly functions: string;
  /** Statements that use `t`, the texel. */
  readonly statements: string;
  /** Returns the expression of the element in a lane of the texel. */
  element(lane: string): string;
}

/**
 * Reads input `name` of `dtype`, a view with `strides` over the joined `shape`, for the `lanes`
 * elements of texel `t`.
 */
export function load(
  name: string,
  dtype: DType,
  shape: readonly number[],
  strides: readonly number[],
  offset: number,
  lanes: number,
): Load {
  const inner = shape.length - 1;
  const whole = dtype === 'int32';
  const one = (at: string) => `${name}_${whole ? 'int' : 'value'}(${at})`;
  const functions = indexFunction(`${name}_index`, shape, strides, offset);
  const local = `${name}0`;
  // A texel is within one row, so its elements are equally spaced in the view.
  if (inner === 0 || shape[inner] % lanes === 0) {
    const start = `${name}_index(t * ${lanes})`;
    if (strides[inner] === 0) {
      const type = whole ? 'i32' : 'f32';
      const statements = `  let ${local}: ${type} = ${one(start)};\n`;
      return { functions, statements, element: () => local };
    }
    if (strides[inner] === 1 && lanes === 4) {
      const aligned =
        offset % 4 === 0 && strides.every((stride, axis) => axis === inner || stride % 4 === 0);
      const read = whole
        ? `${name}_ints(${start})`
        : aligned
          ? `${name}_at(${start} >> 2u)`
          : `${name}_four(${start})`;
      const statements = `  let ${local}: ${whole ? 'vec4i' : 'vec4f'} = ${read};\n`;
      return { functions, statements, element: (lane) => `${local}[${lane}]` };
    }
    const statements = `  let ${local}: i32 = ${start};\n`;
    const element = (lane: string) => one(`${local} + ${lane} * ${strides[inner]}`);
    return { functions, statements, element };
  }
  const element = (lane: string) => one(`${name}_index(t * ${lanes} + ${lane})`);
  return { functions, statements: '', element };
}

/** `load` for a contiguous input of `size` elements. */
export function loadAll(name: string, dtype: DType, size: number, lanes: number): Load {
  return load(name, dtype, [size], [1], 0, lanes);
}

/**
 * Returns statements that compute a texel from its elements. They loop over its lanes, so that the
 * text of an element is compiled once.
 */
export function store(dtype: DType, element: (lane: string) => string): string {
  if (dtype === 'int32') {
    return `  var two: vec4i = vec4i(0, 0, 0, 0);
  for (var lane: i32 = 0; lane < 2; lane++) { two[lane] = ${element('lane')}; }
  return halves(two.x, two.y);`;
  }
  return `  var four: vec4f = vec4f(0.0, 0.0, 0.0, 0.0);
  for (var lane: i32 = 0; lane < 4; lane++) { four[lane] = ${element('lane')}; }
  return four;`;
}

/**
 * Returns the kernel that computes each element of the output by `apply` from the elements that
 * `loads` read.
 */
export function mapText(
  dtype: DType,
  loads: readonly Load[],
  apply: (elements: string[]) => string,
) {
  return `${loads.map((load) => load.functions).join('')}
fn compute(t: i32) -> vec4f {
${loads.map((load) => load.statements).join('')}${store(dtype, (lane) => apply(loads.map((load) => load.element(lane))))}
}`;
}
