/** The text of gather, scatter-add and random numbers. */
import type { DType, RandomWords } from '../../backend.js';
import { lanesOf, store } from './views.js';

/**
 * The rows of `a` selected by the indices `b`. An index out of range yields NaN, or 0 as int32: a
 * GPU can't raise an error.
 */
export function gatherText(dtype: DType, rows: number, width: number): string {
  const lanes = lanesOf(dtype);
  const find = `let row: i32 = e / ${width};
  let index: i32 = b_int(row);
  let outside: bool = index < 0 || index >= ${rows};
  let at: i32 = select(index, 0, outside) * ${width} + e - row * ${width};`;
  if (dtype !== 'int32' && width % 4 === 0) {
    return `fn compute(t: i32) -> vec4f {
  let e: i32 = t * 4;
  ${find}
  let nan: f32 = not_a_number();
  return select(a_at(at >> 2u), vec4f(nan, nan, nan, nan), outside);
}`;
  }
  const [type, read, bad] =
    dtype === 'int32' ? ['i32', 'int', '0'] : ['f32', 'value', 'not_a_number()'];
  const element = (lane: string) => `element(t * ${lanes} + ${lane})`;
  return `fn element(e: i32) -> ${type} {
  ${find}
  return select(a_${read}(at), ${bad}, outside);
}
fn compute(t: i32) -> vec4f {
${store(dtype, element)}
}`;
}

/**
 * Each row of the result is the sum of those rows of `a` whose index in `b` (`count` indices) is
 * the row's number. Each thread reads every index.
 */
export function scatterAddText(dtype: DType, count: number, width: number): string {
  const lanes = lanesOf(dtype);
  if (dtype !== 'int32' && width % 4 === 0) {
    return `fn compute(t: i32) -> vec4f {
  let row: i32 = t / ${width / 4};
  let column: i32 = t - row * ${width / 4};
  var total: vec4f = vec4f(0.0, 0.0, 0.0, 0.0);
  for (var i: i32 = 0; i < ${count}; i++) {
    if (b_int(i) == row) { total += a_at(i * ${width / 4} + column); }
  }
  return total;
}`;
  }
  const [type, read, zero] = dtype === 'int32' ? ['i32', 'int', '0'] : ['f32', 'value', '0.0'];
  const element = (lane: string) => `element(t * ${lanes} + ${lane})`;
  return `fn element(e: i32) -> ${type} {
  let row: i32 = e / ${width};
  let column: i32 = e - row * ${width};
  var total: ${type} = ${zero};
  for (var i: i32 = 0; i < ${count}; i++) {
    if (b_int(i) == row) { total += a_${read}(i * ${width} + column); }
  }
  return total;
}
fn compute(t: i32) -> vec4f {
${store(dtype, element)}
}`;
}

const ROTATIONS = [13, 15, 26, 6, 17, 29, 16, 24];

/** The numbers that `unitsText` takes: the halves of the words of a key. */
export function keyNumbers({ hi, lo }: RandomWords): number[] {
  return [hi, lo].flatMap((word) => [word >>> 16, word & 0xffff]);
}

/**
 * `fn units(t: i32) -> vec4f`: Threefry-2x32 (../../threefry.ts); each texel has the numbers of two
 * counters.
 */
export const unitsText = `fn rotated(x: u32, by: u32) -> u32 { return (x << by) | (x >> (32u - by)); }
fn unit(word: u32) -> f32 { return f32(word >> 8u) * 5.9604644775390625e-8; }
fn units(t: i32) -> vec4f {
  let k0: u32 = (u32(number0) << 16u) | u32(number1);
  let k1: u32 = (u32(number2) << 16u) | u32(number3);
  let k2: u32 = k0 ^ k1 ^ 0x1bd11bdau;
  var x: u32 = u32(t * 2) + k0;
  var y: u32 = k1;
  var u: u32 = u32(t * 2 + 1) + k0;
  var v: u32 = k1;
${Array.from({ length: 20 }, (_, round) => {
  const rotation = ROTATIONS[round % 8];
  const injection = (round + 1) / 4;
  const mix = (x: string, y: string) =>
    `  ${x} += ${y}; ${y} = rotated(${y}, ${rotation}u) ^ ${x};`;
  const inject = (x: string, y: string) =>
    round % 4 === 3
      ? ` ${x} += k${injection % 3}; ${y} += k${(injection + 1) % 3} + ${injection}u;`
      : '';
  return [mix('x', 'y') + inject('x', 'y'), mix('u', 'v') + inject('u', 'v')].join('\n');
}).join('\n')}
  return vec4f(unit(x), unit(y), unit(u), unit(v));
}`;

export const uniformText = `${unitsText}
fn compute(t: i32) -> vec4f { return units(t); }`;
