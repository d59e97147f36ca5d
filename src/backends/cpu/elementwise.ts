/**
 * Elementwise kernels. Each is one expression, compiled to a loop once for each combination of
 * dtypes.
 */
import type { BinaryKernel, UnaryKernel, View } from '../backend.js';
import { sizeOf } from '../layout.js';
import { allocate, type CpuBuffer, contiguous, type Strided, strided, wrap } from './buffer.js';
import { rowsOf } from './rows-of.js';

const unaryExpressions: Record<UnaryKernel, string> = {
  neg: '-a',
  abs: 'Math.abs(a)',
  sign: 'Math.sign(a)',
  exp: 'Math.exp(a)',
  log: 'Math.log(a)',
  sqrt: 'Math.sqrt(a)',
  sin: 'Math.sin(a)',
  cos: 'Math.cos(a)',
  tanh: 'Math.tanh(a)',
  sigmoid: '1 / (1 + Math.exp(-a))',
  relu: 'Math.max(a, 0)',
  erf: 'erf(a)',
};

const binaryExpressions: Record<BinaryKernel, string> = {
  add: 'a + b',
  sub: 'a - b',
  mul: 'a * b',
  div: 'a / b',
  pow: 'Math.pow(a, b)',
  maximum: 'Math.max(a, b)',
  minimum: 'Math.min(a, b)',
  equal: 'a === b ? 1 : 0',
  notEqual: 'a !== b ? 1 : 0',
  less: 'a < b ? 1 : 0',
  lessEqual: 'a <= b ? 1 : 0',
  greater: 'a > b ? 1 : 0',
  greaterEqual: 'a >= b ? 1 : 0',
};
/** For int32, where arithmetic in JavaScript numbers would lose the lower bits. */
const wholeExpressions: Partial<Record<BinaryKernel, string>> = {
  mul: 'Math.imul(a, b)',
  pow: 'pow(a, b)',
};
const comparisons = new Set<string>(Object.keys(binaryExpressions).slice(7));

export function unary(kernel: UnaryKernel, x: CpuBuffer): CpuBuffer {
  const out = allocate(x.dtype, x.size);
  mapRows(unaryExpressions[kernel], [contiguous(out, [x.size]), contiguous(x.data, [x.size])]);
  return wrap(out);
}

export function binary(kernel: BinaryKernel, a: View, b: View): CpuBuffer {
  const { dtype } = a.buffer;
  const out = allocate(comparisons.has(kernel) ? 'int32' : dtype, sizeOf(a.shape));
  const whole = dtype === 'int32' ? wholeExpressions[kernel] : undefined;
  mapRows(whole ?? binaryExpressions[kernel], [contiguous(out, a.shape), strided(a), strided(b)]);
  return wrap(out);
}

export function where(condition: View, a: View, b: View): CpuBuffer {
  const out = allocate(a.buffer.dtype, sizeOf(a.shape));
  mapRows('a ? b : c', [contiguous(out, a.shape), strided(condition), strided(a), strided(b)]);
  return wrap(out);
}

type Loop = (
  arrays: unknown[],
  starts: readonly number[],
  strides: readonly number[],
  n: number,
  erf: (x: number) => number,
  pow: (x: number, y: number) => number,
) => void;
const loops = new Map<string, Loop>();

/**
 * Evaluates `expression` over the elements a, b, c of `inputs` into `out`. The loop is built from
 * text, as ndarray builds its own accessors, so that the engine sees one function for each
 * operation and combination of dtypes, and compiles each to its own machine code.
 */
function mapRows(expression: string, [out, ...inputs]: Strided[]): void {
  const names = ['a', 'b', 'c'].slice(0, inputs.length);
  const id = `${expression}:${[out, ...inputs].map((array) => array.dtype)}`;
  let loop = loops.get(id);
  if (!loop) {
    const starts = names.map((name, i) => `let i${name} = starts[${i + 1}];`).join(' ');
    const loads = names.map((name) => `const ${name} = ${name}s[i${name}];`).join(' ');
    const steps = names.map((name) => `i${name} += d${name};`).join(' ');
    const strides = names.map((name, i) => `const d${name} = strides[${i + 1}];`).join(' ');
    loop = new Function(
      'arrays, starts, strides, n, erf, pow',
      `const [os, ${names.map((name) => `${name}s`)}] = arrays;
       let io = starts[0]; const dout = strides[0]; ${starts} ${strides}
       for (let i = 0; i < n; i++) { ${loads} os[io] = ${expression}; io += dout; ${steps} }`,
    ) as Loop;
    loops.set(id, loop);
  }
  const run = loop;
  const arrays = [out, ...inputs].map((array) => array.data);
  const rows = rowsOf([out, ...inputs]);
  rows.each((starts) => run(arrays, starts, rows.strides, rows.length, erf, wholePow));
}

/** x^y modulo 2^32. For a negative y the result is rounded towards zero, and 0^y is 0. */
function wholePow(x: number, y: number): number {
  if (y < 0) return Math.abs(x) === 1 ? x ** y : 0;
  let power = 1;
  let factor = x;
  for (let n = y; n > 0; n >>= 1) {
    if (n & 1) power = Math.imul(power, factor);
    factor = Math.imul(factor, factor);
  }
  return power;
}

/**
 * The error function in float64: erf x = 2/sqrt(pi) exp(-x^2) sum 2^n x^(2n+1)/(2n+1)!!, whose
 * terms all have the same sign (Abramowitz and Stegun 7.1.6), and for |x| >= 3 the continued
 * fraction of erfc (7.1.14), evaluated backwards.
 */
function erf(x: number): number {
  const size = Math.abs(x);
  if (!(size < 6)) return Math.sign(x);
  const gauss = Math.exp(-x * x) / Math.sqrt(Math.PI);
  if (size < 3) {
    let term = x;
    let total = x;
    for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(total); n++) {
      term *= (2 * x * x) / (2 * n + 1);
      total += term;
    }
    return 2 * gauss * total;
  }
  let fraction = size;
  for (let n = 60; n > 0; n--) fraction = size + n / 2 / fraction;
  return Math.sign(x) * (1 - gauss / fraction);
}
