/** The text of the kernel that copies strided pieces into a filled block. */
import type { DType, Piece } from '../../backend.js';
import { sizeOf, stridesOf } from '../../layout.js';
import { inputNames } from '../text.js';
import { indexFunction, lanesOf, load, mapText, store, walkOf } from './views.js';

/** One view that covers the whole output: a transpose, a slice, a broadcast. */
export function viewText(shape: readonly number[], dtype: DType, piece: Piece): string {
  const { shape: lengths, strides } = walkOf(shape, [piece.view.strides]);
  return mapText(
    dtype,
    [load('a', dtype, lengths, strides[0], piece.view.offset, lanesOf(dtype))],
    ([x]) => x,
  );
}

/**
 * Several pieces. Elements outside all pieces are copied from input `a`, which has the layout of
 * the output, if the pieces are put `onto` it; otherwise they are number0 (and number1, the other
 * half of an int32).
 */
export function piecesText(
  shape: readonly number[],
  dtype: DType,
  pieces: readonly Piece[],
  onto: boolean,
): string {
  const lanes = lanesOf(dtype);
  const whole = dtype === 'int32';
  const names = inputNames.slice(onto ? 1 : 0);
  const inner = shape.length - 1;
  // If no texel crosses the edge of a piece, copy texels instead of elements.
  const texels =
    !whole &&
    shape[inner] % 4 === 0 &&
    pieces.every(
      ({ view, at }) =>
        view.shape[inner] % 4 === 0 && at[inner] % 4 === 0 && view.strides[inner] === 1,
    );
  const functions: string[] = [];
  const inside = pieces.map(({ view, at }, p) => {
    functions.push(indexFunction(`index${p}`, view.shape, view.strides, view.offset));
    const within = [];
    for (const axis of shape.keys()) {
      if (at[axis] > 0) within.push(`c${axis} >= ${at[axis]}`);
      if (at[axis] + view.shape[axis] < shape[axis])
        within.push(`c${axis} < ${at[axis] + view.shape[axis]}`);
    }
    const own = stridesOf(view.shape);
    const index = shape
      .map((_, axis) => `(c${axis} - ${at[axis]}) * ${own[axis]}`)
      .concat('0')
      .join(' + ');
    const read = texels ? 'four' : whole ? 'int' : 'value';
    return `  if (${within.join(' && ') || 'true'}) { return ${names[p]}_${read}(index${p}(${index})); }`;
  });
  const coordinates = ['  var r: i32 = e;'];
  for (let axis = inner; axis >= 0; axis--) {
    coordinates.push(`  let c${axis}: i32 = r % ${shape[axis]};`, `  r = r / ${shape[axis]};`);
  }
  const type = texels ? 'vec4f' : whole ? 'i32' : 'f32';
  const fill = whole
    ? 'whole(number0, number1)'
    : texels
      ? 'vec4f(number0, number0, number0, number0)'
      : 'number0';
  const base = onto ? `a_${texels ? 'four' : whole ? 'int' : 'value'}(e)` : fill;
  return `${functions.join('')}
fn element(e: i32) -> ${type} {
${coordinates.join('\n')}
${inside.join('\n')}
  return ${base};
}
fn compute(t: i32) -> vec4f {
${texels ? '  return element(t * 4);' : store(dtype, (lane) => `element(t * ${lanes} + ${lane})`)}
}`;
}

/** Whether `piece` covers the whole output. */
export function covers(shape: readonly number[], piece: Piece): boolean {
  return sizeOf(piece.view.shape) === sizeOf(shape);
}
