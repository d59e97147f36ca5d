/** The text of kernels over rows of floats: four values at a time where four divides their width. */
import { store } from './views.js';

export const xyzw = ['x', 'y', 'z', 'w'];

/** What a thread computes at once in rows of `width` values. */
export interface Unit {
  readonly type: 'vec4f' | 'f32';
  readonly zero: string;
  /** The number of units in a row. */
  readonly across: number;
  /** The expression of unit `index` of an input. */
  read(name: string, index: string): string;
  /** How a loop walks through the units of an input: by its cursor, or by the index. */
  walk(name: string): {
    readonly type: 'cursor' | 'i32';
    at(index: string | number): string;
    read(position: string): string;
  };
}

export function unitOf(width: number): Unit {
  return width % 4 === 0
    ? {
        type: 'vec4f',
        zero: 'vec4f(0.0, 0.0, 0.0, 0.0)',
        across: width / 4,
        read: (name, index) => `${name}_at(${index})`,
        walk: (name) => ({
          type: 'cursor',
          at: (index) => `${name}_cursor(${index})`,
          read: (position) => `${name}_read(${position})`,
        }),
      }
    : {
        type: 'f32',
        zero: '0.0',
        across: width,
        read: (name, index) => `${name}_value(${index})`,
        walk: (name) => ({
          type: 'i32',
          at: String,
          read: (position) => `${name}_value(${position})`,
        }),
      };
}

/**
 * A kernel with an output for each of `bodies`, statements that return unit `e` of it, in row `row`
 * and column `column` of rows of `width` values.
 */
export function byUnit(width: number, bodies: readonly string[]): string {
  const { type, across } = unitOf(width);
  const isTexel = type === 'vec4f';
  const functions = bodies.map(
    (body, i) => `fn output${i}(e: i32) -> ${type} {
  let row: i32 = e / ${across};
  let column: i32 = e - row * ${across};
${body}
}
${isTexel ? '' : `fn texel${i}(t: i32) -> vec4f {\n${store('float32', (lane) => `output${i}(t * 4 + ${lane})`)}\n}\n`}`,
  );
  const texel = isTexel ? 'output' : 'texel';
  const more = bodies.slice(1).map((_, i) => `  more${i + 1} = ${texel}${i + 1}(t);\n`);
  return `${functions.join('')}fn compute(t: i32) -> vec4f {
${more.join('')}  return ${texel}0(t);
}`;
}

/**
 * Returns statements that run `body` for every element of a row of `width` values. `starts` names
 * the inputs and where their rows begin. `body` receives an expression for the value in each of them,
 * and in the int32 input `mask`, whose row begins at `maskStart`.
 */
export function eachOfRow(
  width: number,
  starts: Readonly<Record<string, string>>,
  body: (values: string[], mask: string) => string,
  mask?: string,
): string {
  const whole = width - (width % 4);
  const aligned = width % 4 === 0;
  const names = Object.keys(starts);
  const cursors = names.map(
    (name) => `    var ${name}_from: cursor = ${name}_cursor((${starts[name]}) >> 2u);\n`,
  );
  const steps = names.map((name) => `${name}_from += ${name}_cursor(1);`);
  const reads = names.map((name) => {
    const read = aligned ? `${name}_read(${name}_from)` : `${name}_four(${starts[name]} + j)`;
    return `let ${name}v: vec4f = ${read};`;
  });
  if (mask) reads.push(`let seen: vec4i = ${mask}_ints(maskStart + j);`);
  const lanes = xyzw.map((lane) =>
    body(
      names.map((name) => `${name}v.${lane}`),
      `seen.${lane}`,
    ),
  );
  const rest = body(
    names.map((name) => `${name}_value(${starts[name]} + j)`),
    `${mask}_int(maskStart + j)`,
  );
  return `  {
${aligned ? cursors.join('') : ''}    for (var j: i32 = 0; j < ${whole}; j += 4) { ${[...reads, ...lanes, ...(aligned ? steps : [])].join(' ')} }
    for (var j: i32 = ${whole}; j < ${width}; j++) { ${rest} }
  }
`;
}
