/** The Euclidean norm of all values of several buffers. */
import type { DeviceBuffer, Kernels } from '../../backend.js';
import { type GpuBuffer, spread, type WebGPUDevice } from '../device.js';
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

/** Computes the unit and the sum of each chunk of `tensors`. */
function partsOf(device: WebGPUDevice, tensors: readonly DeviceBuffer[]): GpuBuffer {
  const chunks = tensors.map(({ size }) => Math.ceil(size / 4 / CHUNK));
  const total = chunks.reduce((sum, count) => sum + count, 0);
  const names = tensors.map((_, i) => `x${i}`);
  const [parts] = device.run({
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
    results: [{ dtype: 'float32', size: 2 * total }],
    ints: tensors.flatMap(({ size }, i) => [chunks[i], size]),
    groups: spread(total),
  });
  return parts;
}

/** Combines the chunks of up to as many buffers as a kernel can read. */
function finish(device: WebGPUDevice, parts: readonly GpuBuffer[], isLast: boolean): GpuBuffer {
  const names = parts.map((_, i) => `x${i}`);
  const [norm] = device.run({
    key: `norm ${parts.length} ${isLast}`,
    make: () => ({
      inputs: names.map((name) => `${name}: vec2f`),
      outputs: [isLast ? 'out: f32' : 'out: vec2f'],
      ints: names.map((name) => `${name}_count`),
      text: `${combineText}
${main(
  GROUP,
  `  var unit = 1.0;
  var sum = 0.0;
${lines(
  parts.length,
  (i) => `  for (var i = t; i < p.x${i}_count; i += ${GROUP}) {
    let next = x${i}[p.x${i}_at + i];
    let most = unit_of(larger(select(unit, 0.0, is_zero(sum)), select(next.x, 0.0, is_zero(next.y))));
    sum = rescaled(sum, unit, most) + rescaled(next.y, next.x, most);
    unit = most;
  }`,
)}
  combine(unit, sum, t);
  if (t == 0) { out[p.out_at] = ${isLast ? 'sqrt(sums[0]) * units[0]' : 'vec2f(units[0], sums[0])'}; }`,
)}`,
    }),
    inputs: parts,
    results: [{ dtype: 'float32', size: isLast ? 1 : 2 }],
    ints: parts.map(({ size }) => size / 2),
    groups: [1],
  });
  return norm;
}

export function normKernels(device: WebGPUDevice): Pick<Kernels, 'norm'> {
  // Each has three of the 256 numbers of a kernel.
  const most = Math.min(device.limits.maxStorageBuffersPerShaderStage - 1, 64);
  return {
    norm(tensors) {
      const full = tensors.filter(({ size }) => size > 0);
      const parts: GpuBuffer[] = [];
      try {
        for (let i = 0; i < full.length; i += most)
          parts.push(partsOf(device, full.slice(i, i + most)));
        while (parts.length > most) {
          const some = parts.splice(0, most);
          parts.push(device.using(some, () => finish(device, some, false)));
        }
        return [finish(device, parts, true)];
      } finally {
        for (const buffer of parts) device.free(buffer);
      }
    },
  };
}
