/** Rows of a table: `gather`, and `scatterAdd`, its adjoint. */
import type { DeviceBuffer } from '../../backend.js';
import type { WebGPUDevice } from '../device.js';
import { spread } from '../launch.js';
import type { GpuBuffer } from '../memory.js';
import { fill } from './assemble.js';
import { reduceFirst } from './reduce.js';
import { bitsOf } from './sources.js';
import { eachQuad, quadGroups } from './views.js';

/**
 * The rows of `table` that `indices` selects. An index out of range yields NaN, or 0 as int32: a
 * GPU can't raise an error.
 */
export function gather(
  device: WebGPUDevice,
  table: DeviceBuffer,
  indices: DeviceBuffer,
  width: number,
): GpuBuffer {
  const { dtype } = table;
  const size = indices.size * width;
  const missing = dtype === 'int32' ? 0 : NaN;
  if (table.size === 0 || size === 0) return fill(device, missing, size, dtype);
  const [out] = device.run({
    key: 'gather',
    make: () => ({
      inputs: ['table: i32', 'indices: i32'],
      outputs: ['out: vec4i'],
      ints: ['quads', 'rows', 'width', 'missing'],
      text: `fn value(e: i32) -> i32 {
  let row = e / p.width;
  let index = indices[p.indices_at + row];
  if (index < 0 || index >= p.rows) { return p.missing; }
  return table[p.table_at + index * p.width + e - row * p.width];
}
${eachQuad}  let e = 4 * t;
  if (p.width % 4 == 0) {
    let row = e / p.width;
    let index = indices[p.indices_at + row];
    if (index < 0 || index >= p.rows) { out[p.out_at + t] = vec4i(p.missing); return; }
    let at = p.table_at + index * p.width + e - row * p.width;
    out[p.out_at + t] = vec4i(table[at], table[at + 1], table[at + 2], table[at + 3]);
  } else {
    out[p.out_at + t] = vec4i(value(e), value(e + 1), value(e + 2), value(e + 3));
  }
}`,
    }),
    inputs: [table, indices],
    results: [{ dtype, size }],
    ints: [Math.ceil(size / 4), table.size / width, width, bitsOf(missing, dtype)],
    groups: quadGroups(size),
  });
  return out;
}

/** Threads in a workgroup of `scatterAdd`: each adds up one column. */
const GROUP = 64;
/** Up to this many comparisons of a row with an index, finding first and last isn't worth a run. */
const FEW = 2 ** 21;

/**
 * Adds each row of `values` at its index. One workgroup adds up some columns of a row of the
 * result, in the order of the indices, so that the same inputs make the same bits. It looks only at
 * the indices from the row's first to its last. Where there are few results, several workgroups
 * share the indices.
 */
export function scatterAdd(
  device: WebGPUDevice,
  values: DeviceBuffer,
  indices: DeviceBuffer,
  rows: number,
  width: number,
): GpuBuffer {
  const { dtype } = values;
  const count = indices.size;
  if (values.size === 0 || rows === 0) return fill(device, 0, rows * width, dtype);
  const type = dtype === 'int32' ? 'i32' : 'f32';
  const blocks = Math.ceil(width / GROUP);
  const bounded = rows * count > FEW;
  const most = bounded ? 1 : Math.min(Math.ceil(count / 256), Math.ceil(512 / (rows * blocks)));
  const length = Math.ceil(count / most / GROUP) * GROUP;
  const parts = Math.ceil(count / length);
  const sum = (ends: readonly DeviceBuffer[]) =>
    device.run({
      key: `scatterAdd ${type} ${bounded}`,
      make: () => ({
        inputs: [`values: ${type}`, 'indices: i32', ...(bounded ? ['ends: i32'] : [])],
        outputs: [`out: ${type}`],
        ints: ['rows', 'width', 'blocks', 'count', 'length'],
        text: `var<workgroup> hits: array<atomic<u32>, 2>;
@compute @workgroup_size(${GROUP})
fn main(@builtin(local_invocation_index) thread: u32, @builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let task = i32(group.x + group.y * groups.x);
  let row = task / p.blocks;
  let column = (task - row * p.blocks) * ${GROUP} + i32(thread);
  var first = i32(group.z) * p.length;
  var end = select(p.count, first + p.length, first + p.length < p.count);
  if (row >= p.rows) { return; }
  ${
    bounded
      ? `end = ends[p.ends_at + 2 * row];
  first = p.count - ends[p.ends_at + 2 * row + 1];`
      : ''
  }
  var total: ${type} = 0;
  for (var base = first; base < end; base += ${GROUP}) {
    if (thread < 2u) { atomicStore(&hits[thread], 0u); }
    workgroupBarrier();
    let i = base + i32(thread);
    if (i < end && indices[p.indices_at + i] == row) { atomicOr(&hits[thread >> 5u], 1u << (thread & 31u)); }
    workgroupBarrier();
    for (var half = 0; half < 2; half++) {
      for (var rest = atomicLoad(&hits[half]); rest != 0u; rest &= rest - 1u) {
        let hit = base + 32 * half + i32(firstTrailingBit(rest));
        if (column < p.width) { total += values[p.values_at + hit * p.width + column]; }
      }
    }
    workgroupBarrier();
  }
  if (column < p.width) { out[p.out_at + (i32(group.z) * p.rows + row) * p.width + column] = total; }
}`,
      }),
      inputs: [values, indices, ...ends],
      results: [{ dtype, size: parts * rows * width }],
      ints: [rows, width, blocks, count, length],
      groups: [...spread(rows * blocks), parts],
    })[0];
  if (bounded) {
    const ends = endsOf(device, indices, rows);
    return device.using([ends], () => sum([ends]));
  }
  const out = sum([]);
  return parts === 1 ? out : device.using([out], () => reduceFirst(device, 'sum', out, parts));
}

/**
 * For each row of a table: one more than the position of its last index, and the number of
 * positions from its first index on. Both are 0 for a row without an index.
 */
function endsOf(device: WebGPUDevice, indices: DeviceBuffer, rows: number): GpuBuffer {
  const ends = fill(device, 0, 2 * rows, 'int32');
  device.run({
    key: 'ends',
    make: () => ({
      inputs: ['indices: i32'],
      outputs: ['ends: atomic<i32>'],
      ints: ['quads', 'rows', 'count'],
      text: `${eachQuad}  for (var i = 4 * t; i < 4 * t + 4 && i < p.count; i++) {
    let row = indices[p.indices_at + i];
    if (row >= 0 && row < p.rows) {
      atomicMax(&ends[p.ends_at + 2 * row], i + 1);
      atomicMax(&ends[p.ends_at + 2 * row + 1], p.count - i);
    }
  }
}`,
    }),
    inputs: [indices],
    into: ends,
    results: [],
    ints: [Math.ceil(indices.size / 4), rows, indices.size],
    groups: quadGroups(indices.size),
  });
  return ends;
}
