/**
 * The text of reductions. A loop computes each element of the output from the elements that it
 * reduces.
 */
import type { View } from '../../backend.js';
import { sizeOf } from '../../layout.js';
import { indexFunction, lanesOf, store, walkOf } from './views.js';

/** From this many terms on, sums are computed in two steps: sums of parts, and their sum. */
export const LONG = 1024;

/** Reduces the axes of `x` from axis `kept` on. */
export function reduceText(kernel: 'sum' | 'max', x: View, kept: number): string {
  const { dtype } = x.buffer;
  const whole = dtype === 'int32';
  const lanes = lanesOf(dtype);
  const outer = walkOf(x.shape.slice(0, kept), [x.strides.slice(0, kept)]);
  const inner = walkOf(x.shape.slice(kept), [x.strides.slice(kept)]);
  const [outerStrides, innerStrides] = [outer.strides[0], inner.strides[0]];
  const terms = sizeOf(inner.shape);
  const last = outer.shape.length - 1;
  const head = `${indexFunction('outer', outer.shape, outerStrides, x.offset)}${indexFunction('inner', inner.shape, innerStrides)}`;
  const join = (into: string, value: string) => {
    if (kernel === 'sum') return `${into} += ${value};`;
    if (!whole) return `${into} = larger(${into}, ${value});`;
    return `if (${value} > ${into}) { ${into} = ${value}; }`;
  };

  // Four neighbours of the output reduce four neighbours of the input: each texel is read once.
  if (!whole && outerStrides[last] === 1 && outer.shape[last] % 4 === 0) {
    const joined =
      kernel === 'sum'
        ? 'most += v;'
        : 'most = vec4f(larger(most.x, v.x), larger(most.y, v.y), larger(most.z, v.z), larger(most.w, v.w));';
    return `${head}fn compute(t: i32) -> vec4f {
  let start: i32 = outer(t * 4);
  var most: vec4f = ${kernel === 'sum' ? 'vec4f(0.0, 0.0, 0.0, 0.0)' : 'a_four(start + inner(0))'};
  for (var i: i32 = ${kernel === 'sum' ? 0 : 1}; i < ${terms}; i++) {
    let v: vec4f = a_four(start + inner(i));
    ${joined}
  }
  return most;
}`;
  }

  const type = whole ? 'i32' : 'f32';
  const one = (at: string) => `a_${whole ? 'int' : 'value'}(${at})`;
  const first = kernel === 'sum' ? (whole ? '0' : '0.0') : one('start + inner(0)');
  const row = !whole && inner.shape.length === 1 && innerStrides[0] === 1;
  const fours = row ? Math.floor(terms / 4) : 0;
  const loop = row
    ? `  for (var i: i32 = 0; i < ${fours}; i++) {
    let v: vec4f = a_four(start + i * 4);
    ${['x', 'y', 'z', 'w'].map((lane) => join('total', `v.${lane}`)).join(' ')}
  }
  for (var i: i32 = ${fours * 4}; i < ${terms}; i++) { ${join('total', one('start + i'))} }`
    : `  for (var i: i32 = 0; i < ${terms}; i++) { ${join('total', one('start + inner(i)'))} }`;
  const element = (lane: string) => `reduced(t * ${lanes} + ${lane})`;
  return `${head}fn reduced(e: i32) -> ${type} {
  let start: i32 = outer(e);
  var total: ${type} = ${first};
${loop}
  return total;
}
fn compute(t: i32) -> vec4f {
${store(dtype, element)}
}`;
}

/** The positions of the first largest values along the last axis; NaN counts as largest. */
export function argmaxText(x: View): string {
  const whole = x.buffer.dtype === 'int32';
  const kept = x.shape.length - 1;
  const outer = walkOf(x.shape.slice(0, kept), [x.strides.slice(0, kept)]);
  const type = whole ? 'i32' : 'f32';
  const read = (i: string) => `a_${whole ? 'int' : 'value'}(start + ${i} * ${x.strides[kept]})`;
  const beats = whole ? 'v > most' : '(v > most || is_nan(v)) && !is_nan(most)';
  return `${indexFunction('outer', outer.shape, outer.strides[0], x.offset)}fn position(e: i32) -> i32 {
  let start: i32 = outer(e);
  var best: i32 = 0;
  var most: ${type} = ${read('0')};
  for (var i: i32 = 1; i < ${x.shape[kept]}; i++) {
    let v: ${type} = ${read('i')};
    if (${beats}) { most = v; best = i; }
  }
  return best;
}
fn compute(t: i32) -> vec4f {
${store('int32', (lane) => `position(t * 2 + ${lane})`)}
}`;
}

/** How a long sum is split: the number of terms in each part, and the number of parts. */
export function partsOf(terms: number): { length: number; parts: number } {
  const length = 4 * Math.ceil(Math.sqrt(terms) / 4);
  return { length, parts: Math.ceil(terms / length) };
}

/**
 * Sums each `length` consecutive values in rows of `terms` contiguous floats; the result is [rows,
 * parts].
 */
export function partSumsText(terms: number): string {
  const { length, parts } = partsOf(terms);
  const element = (lane: string) => `part(t * 4 + ${lane})`;
  return `fn part(e: i32) -> f32 {
  let row: i32 = e / ${parts};
  let start: i32 = (e - row * ${parts}) * ${length};
  let end: i32 = select(${terms}, start + ${length}, start + ${length} < ${terms});
  var total: f32 = 0.0;
  var i: i32 = start;
  for (; i + 4 <= end; i += 4) {
    let v: vec4f = a_four(row * ${terms} + i);
    total += v.x + v.y + v.z + v.w;
  }
  for (; i < end; i++) { total += a_value(row * ${terms} + i); }
  return total;
}
fn compute(t: i32) -> vec4f {
${store('float32', element)}
}`;
}
