/** The Euclidean norms of groups of buffers. */
import type { DeviceBuffer, Kernels } from '../../backend.js';
import type { WebGPUDevice } from '../device.js';
import { spread } from '../launch.js';
import type { GpuBuffer } from '../memory.js';
import { each, GROUP, lines, main } from './common.js';

/** The fours of values that a workgroup reads. */
const CHUNK = 8 * GROUP;

/**
 * `combine`: the norm of the numbers whose norms the threads pass, each as its unit and the sum of
 * squares of what the unit divides. No square overflows, since units are the largest values.
 */
const combineText = `var<workgroup> units: array<f32, ${GROUP}>;
var<workgroup> sums: array<f32, ${GROUP}>;
// What values whose largest is most are divided by: not by 0, NaN or infinity.
fn unit_of(most: f32) -> f32 { return select(most, 1.0, is_zero(most) || !is_finite(most)); }
fn rescaled(sum: f32, unit: f32, by: f32) -> f32 {
  let ratio = unit / by;
  return select(sum * ratio * ratio, 0.0, is_zero(sum));
}
// Leaves the largest of all units, and the sum for it, at 0.
fn combine(unit: f32, sum: f32, t: i32) {
  units[t] = unit;
  sums[t] = sum;
  workgroupBarrier();
  for (var half = ${GROUP / 2}; half > 0; half /= 2) {
    if (t < half) {
      // A sum of 0 has no unit.
      let x = select(units[t], 0.0, is_zero(sums[t]));
      let y = select(units[t + half], 0.0, is_zero(sums[t + half]));
      let most = unit_of(larger(x, y));
      sums[t] = rescaled(sums[t], units[t], most) + rescaled(sums[t + half], units[t + half], most);
      units[t] = most;
    }
    workgroupBarrier();
  }
}
`;

const most = 'largest = larger(largest, larger(larger(v.x, v.y), larger(v.z, v.w)));';

/** Writes the unit and the sum of each chunk of `tensors` into `parts`. */
function fillParts(
  device: WebGPUDevice,
  tensors: readonly DeviceBuffer[],
  chunks: readonly number[],
  parts: GpuBuffer,
): void {
  const names = tensors.map((_, i) => `x${i}`);
  device.run({
    key: `norm parts ${tensors.length}`,
    make: () => ({
      inputs: names.map((name) => `${name}: vec4f`),
      outputs: ['out: vec2f'],
      ints: names.flatMap((name) => [`${name}_chunks`, `${name}_size`]),
      text: `${combineText}
// The absolute values of four values of a tensor, 0 beyond its end.
fn fours_of(tensor: i32, i: i32) -> vec4f {
  var v = vec4f();
  var size = 0;
  switch (tensor) {
${names.map((name, i) => `    case ${i}: { size = p.${name}_size; if (4 * i < size) { v = ${name}[p.${name}_at + i]; } }`).join('\n')}
    default: {}
  }
  return ${each('vec4f', (lane) => `select(0.0, abs(v${lane}), 4 * i + ${['.x', '.y', '.z', '.w'].indexOf(lane)} < size)`)};
}
${main(
  GROUP,
  `  var chunk = group;
  var tensor = 0;
${names.map((name, i) => `  if (tensor == ${i} && chunk >= p.${name}_chunks) { chunk -= p.${name}_chunks; tensor = ${i + 1}; }`).join('\n')}
  if (tensor == ${names.length}) { return; }
  let start = chunk * ${CHUNK} + t;
  var largest = 0.0;
  for (var i = start; i < start + ${CHUNK}; i += ${GROUP}) { let v = fours_of(tensor, i); ${most} }
  let unit = unit_of(largest);
  var sum = 0.0;
  for (var i = start; i < start + ${CHUNK}; i += ${GROUP}) { let v = fours_of(tensor, i) / unit; sum += dot(v, v); }
  combine(unit, sum, t);
  if (t == 0) { out[p.out_at + group] = vec2f(units[0], sums[0]); }`,
)}`,
    }),
    inputs: tensors,
    results: [],
    into: parts,
    ints: tensors.flatMap(({ size }, i) => [chunks[i], size]),
    groups: spread(sum(chunks)),
  });
}

/** Writes the norm of each group into `norms`; group i has the chunks from `starts[i]` to the next. */
function finish(
  device: WebGPUDevice,
  parts: GpuBuffer,
  starts: readonly number[],
  norms: GpuBuffer,
): void {
  const count = starts.length - 1;
  device.run({
    key: `norms ${count}`,
    make: () => ({
      inputs: ['parts: vec2f'],
      outputs: ['out: f32'],
      ints: starts.map((_, i) => `start${i}`),
      text: `${combineText}
${main(
  GROUP,
  `  var start = 0;
  var end = 0;
${lines(count, (i) => `  if (group == ${i}) { start = p.start${i}; end = p.start${i + 1}; }`)}
  var unit = 1.0;
  var sum = 0.0;
  for (var i = start + t; i < end; i += ${GROUP}) {
    let next = parts[p.parts_at + i];
    let most = unit_of(larger(select(unit, 0.0, is_zero(sum)), select(next.x, 0.0, is_zero(next.y))));
    sum = rescaled(sum, unit, most) + rescaled(next.y, next.x, most);
    unit = most;
  }
  combine(unit, sum, t);
  if (t == 0) { out[p.out_at + group] = sqrt(sums[0]) * units[0]; }`,
)}`,
    }),
    inputs: [parts],
    results: [],
    into: norms,
    ints: starts,
    groups: [count],
  });
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

/** Groups in one kernel: each is one of its 256 numbers. */
const MOST_GROUPS = 128;

export function normKernels(device: WebGPUDevice): Pick<Kernels, 'norm'> {
  // Each has three of the numbers of a kernel.
  const most = Math.min(device.limits.maxStorageBuffersPerShaderStage - 1, 64);
  return {
    norm(tensors, counts) {
      const chunks = tensors.map(({ size }) => Math.ceil(size / 4 / CHUNK));
      const parts = device.empty('float32', 2 * Math.max(1, sum(chunks)));
      const norms = device.empty('float32', counts.length);
      const full = tensors.flatMap((tensor, i) =>
        tensor.size > 0 ? [{ tensor, chunks: chunks[i] }] : [],
      );
      for (let i = 0, first = 0; i < full.length; i += most) {
        const some = full.slice(i, i + most);
        const own = some.map(({ chunks }) => chunks);
        const into = { ...parts, at: parts.at + 2 * first };
        fillParts(
          device,
          some.map(({ tensor }) => tensor),
          own,
          into,
        );
        first += sum(own);
      }
      const starts = [0];
      let next = 0;
      for (const count of counts) {
        starts.push(starts[starts.length - 1] + sum(chunks.slice(next, next + count)));
        next += count;
      }
      for (let i = 0; i < counts.length; i += MOST_GROUPS) {
        const some = starts.slice(i, i + MOST_GROUPS + 1);
        finish(device, parts, some, { ...norms, at: norms.at + i });
      }
      device.free(parts);
      return [norms];
    },
  };
}
