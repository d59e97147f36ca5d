/**
 * Reductions. A workgroup reduces some neighbouring results with several threads each; where there
 * are few results and many terms, it reduces a part of the terms, and a second run the parts.
 */
import type { DeviceBuffer, ReduceKernel, View } from '../../backend.js';
import { walkOf } from '../../gpu/walk.js';
import { sizeOf } from '../../layout.js';
import type { WebGPUDevice } from '../device.js';
import { type Launch, spread } from '../launch.js';
import type { GpuBuffer } from '../memory.js';
import { fill } from './assemble.js';
import { type Addends, adding } from './common.js';
import { rankOf, walkNames, walkNumbers, walkText } from './views.js';

/** Threads in a workgroup. */
const GROUP = 256;
/** From this many terms a thread on, they are split among workgroups. */
const LONG = 32;

const scalars = { float32: 'f32', int32: 'i32', float64: '' };

/**
 * The text of a reduction. Thread `lane` of result `column` takes the terms `lane`, `lane + lanes`,
 * ..., and the threads of a result then join what they have in a tree.
 */
function textOf(
  kernel: ReduceKernel,
  type: string,
  outer: number,
  inner: number,
  hasAddend: boolean,
): string {
  const whole = type === 'i32';
  const none = kernel === 'sum' ? '0' : whole ? '-2147483647 - 1' : '-float_of(0x7f800000)';
  const join = {
    sum: `fn join(x: ${type}, y: ${type}) -> ${type} { return x + y; }`,
    max: `fn join(x: ${type}, y: ${type}) -> ${type} { return ${whole ? 'select(y, x, x > y)' : 'larger(x, y)'}; }`,
    argmax: `fn before(x: ${type}, i: i32, y: ${type}, j: i32) -> bool {
  if (j < 0) { return true; }
  if (i < 0) { return false; }
${
  whole
    ? ''
    : `  if (is_nan(x) || is_nan(y)) { return is_nan(x) && (!is_nan(y) || i < j); }
`
}  return x > y || (x == y && i < j);
}`,
  }[kernel];
  const argmax = kernel === 'argmax';
  return `${walkText('outer', outer, ['a'], ['p.a_at + p.start'])}${walkText('inner', inner, ['a'], ['0'])}${join}
var<workgroup> totals: array<${type}, ${GROUP}>;
${argmax ? `var<workgroup> places: array<i32, ${GROUP}>;` : ''}
@compute @workgroup_size(${GROUP})
fn main(@builtin(local_invocation_index) thread: u32, @builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let local = i32(thread);
  // Neighbouring threads read neighbouring values.
  let column = select(local / p.lanes, local % p.columns, p.across == 1);
  let lane = select(local % p.lanes, local / p.columns, p.across == 1);
  let result = i32(group.x + group.y * groups.x) * p.columns + column;
  var total: ${type} = ${none};
  ${argmax ? 'var place = -1;' : ''}
  if (result < p.results) {
    let first = outer(result);
    let end = select(p.terms, (i32(group.z) + 1) * p.length, (i32(group.z) + 1) * p.length < p.terms);
    for (var i = i32(group.z) * p.length + lane; i < end; i += p.lanes) {
      var at = i * p.a_inner${inner - 1};
      if (p.joined == 0) { at = inner(i); }
      let value = a[first + at];
      ${argmax ? 'if (before(value, i, total, place)) { total = value; place = i; }' : 'total = join(total, value);'}
    }
  }
  let slot = lane * p.columns + column;
  totals[slot] = total;
  ${argmax ? 'places[slot] = place;' : ''}
  workgroupBarrier();
  for (var half = p.lanes / 2; half > 0; half = half / 2) {
    if (lane < half) {
      let other = slot + half * p.columns;
      ${
        argmax
          ? `if (!before(totals[slot], places[slot], totals[other], places[other])) {
        totals[slot] = totals[other];
        places[slot] = places[other];
      }`
          : 'totals[slot] = join(totals[slot], totals[other]);'
      }
    }
    workgroupBarrier();
  }
  if (lane == 0 && result < p.results) {
    out[p.out_at + i32(group.z) * p.results + result] = ${argmax ? 'places' : 'totals'}[slot]${hasAddend ? ' + addend[p.addend_at + result]' : ''};
  }
}`;
}

/** The smallest power of two that is at least `value`. */
function powerOf2(value: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(value, 1)));
}

export function reduce(
  device: WebGPUDevice,
  kernel: ReduceKernel,
  { buffer, shape, strides, offset }: View,
  kept: number,
): GpuBuffer {
  const outer = walkOf(shape.slice(0, kept), [strides.slice(0, kept)]);
  const inner = walkOf(shape.slice(kept), [strides.slice(kept)]);
  const results = sizeOf(outer.shape);
  const terms = sizeOf(inner.shape);
  const dtype = kernel === 'argmax' ? 'int32' : buffer.dtype;
  if (terms === 0 || results === 0) return fill(device, 0, results, dtype);
  const last = (values: readonly number[]) => values[values.length - 1];
  const across =
    last(outer.strides[0]) === 1 && (inner.shape.length === 0 || last(inner.strides[0]) !== 1);
  const few = powerOf2(results);
  const most = across
    ? Math.max(32, GROUP / powerOf2(terms))
    : Math.max(1, GROUP / powerOf2(terms / 4));
  const columns = Math.min(GROUP, few, most);
  const lanes = GROUP / columns;
  const groups = Math.ceil(results / columns);
  const split =
    kernel !== 'argmax' && terms / lanes > LONG && groups < 128
      ? Math.min(Math.ceil(terms / (8 * lanes)), Math.ceil(256 / groups))
      : 1;
  const length = Math.ceil(terms / split);
  const parts = Math.ceil(terms / length);

  const [outerRank, innerRank] = [rankOf(outer.shape.length), rankOf(inner.shape.length)];
  const type = scalars[buffer.dtype];
  const launch = ([addend]: Addends): Launch => ({
    key: `${kernel} ${type} ${outerRank} ${innerRank}${addend ? ' addend' : ''}`,
    make: () => ({
      inputs: [`a: ${type}`, ...(addend ? [`addend: ${type}`] : [])],
      outputs: [`out: ${scalars[dtype]}`],
      ints: [
        ...['start', 'results', 'terms', 'length', 'columns', 'lanes', 'across', 'joined'],
        ...walkNames('outer', outerRank, ['a']),
        ...walkNames('inner', innerRank, ['a']),
      ],
      text: textOf(kernel, type, outerRank, innerRank, addend !== undefined),
    }),
    inputs: addend ? [buffer, addend] : [buffer],
    results: [{ dtype, size: results * parts }],
    ints: [
      ...[offset, results, terms, length, columns, lanes],
      ...[Number(across), Number(inner.shape.length <= 1)],
      ...walkNumbers(outer, outerRank),
      ...walkNumbers(inner, innerRank),
    ],
    groups: [...spread(groups), parts],
  });
  const isSum = kernel === 'sum' && dtype === 'float32' && parts === 1;
  const [out] = device.run(adding(isSum ? 1 : 0, launch));
  if (parts === 1) return out;
  return device.using([out], () => reduceFirst(device, kernel, out, parts));
}

/** Reduces the first axis, of `length`, of a contiguous buffer. */
export function reduceFirst(
  device: WebGPUDevice,
  kernel: ReduceKernel,
  buffer: DeviceBuffer,
  length: number,
): GpuBuffer {
  const rest = buffer.size / length;
  return reduce(
    device,
    kernel,
    { buffer, shape: [rest, length], strides: [1, rest], offset: 0 },
    1,
  );
}
