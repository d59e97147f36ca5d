/**
 * The text of fused kernels over rows of `width` floats. A first kernel computes what the elements
 * of a row share, such as its largest value, in one texel per row; a second kernel reads it.
 */
import { eachOfRow, xyzw } from './by-unit.js';
import { unitsText } from './rows.js';
import { store } from './views.js';

/**
 * Returns the second kernel, which computes `element` from the values of `names`, the row's texel
 * `s` in input `shared`, and the mask's value. Functions that `element` calls must precede it.
 */
function withRow(
  width: number,
  names: readonly string[],
  shared: string,
  element: (values: string[], s: string, mask: string) => string,
  mask?: { name: string; rows: number },
): string {
  const maskIndex = (row: string, column: string) =>
    mask ? `((${row}) % ${mask.rows}) * ${width} + ${column}` : '';
  const reads = names.map((name) => `  let ${name}v: vec4f = ${name}_at(t);\n`).join('');
  const values = names.map((name) => `${name}v[lane]`);
  if (width % 4 === 0) {
    const across = width / 4;
    const seen = mask
      ? `  let seen: vec4i = ${mask.name}_ints(${maskIndex('row', `(t - row * ${across}) * 4`)});\n`
      : '';
    return `fn compute(t: i32) -> vec4f {
  let row: i32 = t / ${across};
  let s: vec4f = ${shared}_at(row);
${reads}${seen}${store('float32', () => element(values, 's', 'seen[lane]'))}
}`;
  }
  // A texel may straddle rows.
  const seen = mask
    ? `  let seen: i32 = ${mask.name}_int(${maskIndex('row', `e - row * ${width}`)});\n`
    : '';
  return `fn element(e: i32, ${names.map((name) => `${name}v: f32`)}) -> f32 {
  let row: i32 = e / ${width};
  let s: vec4f = ${shared}_at(row);
${seen}  return ${element(
    names.map((name) => `${name}v`),
    's',
    'seen',
  )};
}
fn compute(t: i32) -> vec4f {
${reads}${store('float32', (lane) => `element(t * 4 + ${lane}, ${values})`)}
}`;
}

const start = (width: number) => `  let start: i32 = t * ${width};\n`;

/**
 * For each row of `a`: the maximum m of scale * x where the mask `b` is not 0, and the sum of
 * e^(scale * x - m) there.
 */
export function softmaxRowsText(width: number, scale: number, maskRows: number): string {
  const mask = maskRows > 0 ? 'b' : undefined;
  const seen = (statement: string, flag: string) =>
    mask ? `if (${flag} != 0) { ${statement} }` : statement;
  return `fn compute(t: i32) -> vec4f {
${start(width)}${mask ? `  let maskStart: i32 = (t % ${maskRows}) * ${width};\n` : ''}  var most: f32 = -3.4028234e38;
${eachOfRow(width, { a: 'start' }, ([x], flag) => seen(`most = larger(most, ${x} * ${float(scale)});`, flag), mask)}  var total: f32 = 0.0;
${eachOfRow(width, { a: 'start' }, ([x], flag) => seen(`total += exponential(${x} * ${float(scale)} - most);`, flag), mask)}  return vec4f(most, total, 0.0, 0.0);
}`;
}

/**
 * The softmax of `a`, with the texels of its rows in `b` and the mask in `c`; a fully masked row is
 * 0.
 */
export function softmaxText(width: number, scale: number, maskRows: number): string {
  return `fn share(x: f32, s: vec4f, seen: i32) -> f32 {
  if (seen == 0 || (s.y == 0.0 && !is_nan(s.y))) { return 0.0; }
  return exponential(x * ${float(scale)} - s.x) / s.y;
}
${withRow(
  width,
  ['a'],
  'b',
  ([x], s, flag) => `share(${x}, ${s}, ${maskRows > 0 ? flag : '1'})`,
  maskRows > 0 ? { name: 'c', rows: maskRows } : undefined,
)}`;
}

/** The sum of a * b for each row; b is ignored where a is 0. */
export function dotRowsText(width: number): string {
  return `fn compute(t: i32) -> vec4f {
${start(width)}  var total: f32 = 0.0;
${eachOfRow(width, { a: 'start', b: 'start' }, ([y, g]) => `total += weighted(${y}, ${g});`)}  return vec4f(total, 0.0, 0.0, 0.0);
}`;
}

/** scale * a * (b - the row's sum in `c`); b is ignored where a is 0. */
export function softmaxGradientText(width: number, scale: number): string {
  const element = ([y, g]: string[], s: string) =>
    `${float(scale)} * weighted(${y}, ${g} - ${s}.x)`;
  return withRow(width, ['a', 'b'], 'c', element);
}

/**
 * Rotates pairs of each head of `a`, rows of `heads` times `width`, by the angles with cosines `b`
 * and sines `c`, which have `time` rows.
 */
export function rotateText(width: number, heads: number, time: number, sign: 1 | -1): string {
  const half = width / 2;
  const rotated = (x: string, y: string, c: string, s: string) =>
    `select(${x} * ${c} - ${y} * ${s}, ${x} * ${c} + ${y} * ${s}, second)`;
  const position = (e: string) => `  let head: i32 = ${e} / ${width};
  let column: i32 = ${e} - head * ${width};
  let second: bool = column >= ${half};
  let angle: i32 = ((head / ${heads}) % ${time}) * ${half} + column - select(0, ${half}, second);
`;
  const other = (e: string) => `${e} + select(${half}, ${-half}, second)`;
  if (half % 4 === 0) {
    return `fn compute(t: i32) -> vec4f {
  let e: i32 = t * 4;
${position('e')}  let x: vec4f = a_at(t);
  let y: vec4f = a_at((${other('e')}) >> 2u);
  let c: vec4f = b_at(angle >> 2u);
  let s: vec4f = ${sign}.0 * c_at(angle >> 2u);
  return ${rotated('x', 'y', 'c', 's')};
}`;
  }
  return `fn element(e: i32) -> f32 {
${position('e')}  let x: f32 = a_value(e);
  let y: f32 = a_value(${other('e')});
  let c: f32 = b_value(angle);
  let s: f32 = ${sign}.0 * c_value(angle);
  return ${rotated('x', 'y', 'c', 's')};
}
fn compute(t: i32) -> vec4f {
${store('float32', (lane) => `element(t * 4 + ${lane})`)}
}`;
}

/**
 * -log softmax(a)[target] of each row of `a`, with its target in `b` and its texel in `c`; NaN for
 * a target out of range.
 */
export function crossEntropyText(width: number, ignored: number): string {
  return `fn loss(row: i32) -> f32 {
  let target_index: i32 = b_int(row);
  if (target_index == ${ignored}) { return 0.0; }
  if (target_index < 0 || target_index >= ${width}) { return not_a_number(); }
  let s: vec4f = c_at(row);
  return logarithm(s.y) + (s.x - a_value(row * ${width} + target_index));
}
fn compute(t: i32) -> vec4f {
${store('float32', (lane) => `loss(t * 4 + ${lane})`)}
}`;
}

/**
 * (softmax(a) - oneHot(target)) times the row's value in `c`, with the row's target in `b` and its
 * texel in `d`.
 */
export function crossEntropyGradientText(width: number, ignored: number): string {
  return `fn element(e: i32, x: f32) -> f32 {
  let row: i32 = e / ${width};
  let target_index: i32 = b_int(row);
  if (target_index == ${ignored}) { return 0.0; }
  let s: vec4f = d_at(row);
  let g: f32 = c_value(row);
  let share: f32 = exponential(x - s.x) / s.y;
  if (e - row * ${width} != target_index) { return share * g; }
  // share g - g, as in the definition, which is NaN where g is infinite.
  return select(not_a_number(), (share - 1.0) * g, is_finite(g));
}
fn compute(t: i32) -> vec4f {
  let x: vec4f = a_at(t);
${store('float32', (lane) => `element(t * 4 + ${lane}, x[${lane}])`)}
}`;
}

/**
 * `a` / (1 - rate) where the uniform number is at least the rate, else 0; plus the residual `b`, if
 * there is one.
 */
export function dropoutText(rate: number, residual: boolean): string {
  const factor = float(1 / (1 - rate));
  const elements = xyzw.map(
    (lane) => `select(0.0, x.${lane} * ${factor}, u.${lane} >= ${float(rate)})`,
  );
  return `${unitsText}
fn compute(t: i32) -> vec4f {
  let x: vec4f = a_at(t);
  let u: vec4f = units(t);
  return vec4f(${elements})${residual ? ' + b_at(t)' : ''};
}`;
}

/** A constant as a float literal of both languages. */
function float(value: number): string {
  const text = Math.fround(value).toString();
  return /[.e]/.test(text) ? text : `${text}.0`;
}
