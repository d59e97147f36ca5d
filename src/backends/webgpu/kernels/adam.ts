/** The Adam step of all parameters. */
import type { DeviceBuffer, Kernels } from '../../backend.js';
import type { WebGPUDevice } from '../device.js';
import { spread } from '../launch.js';
import type { GpuBuffer, Memory } from '../memory.js';
import { GROUP, lines, main } from './common.js';

/** Tensors in one kernel at most: each has 7 of the 250 numbers of a kernel. */
const MOST = 30;

/** The buffers of one parameter: itself, its gradient, and its moments. */
type Quad = readonly [p: GpuBuffer, g: GpuBuffer, m: GpuBuffer, v: GpuBuffer];

/** The results of one parameter, parts of one buffer: the new parameter and moments. */
type Triple = readonly [p: GpuBuffer, m: GpuBuffer, v: GpuBuffer];

/** What all parameters of a step share. */
interface Shared {
  /** [rate, root, shrink]. */
  readonly rates: DeviceBuffer;
  readonly scale: DeviceBuffer;
}

type AdamNumbers = Parameters<Kernels['adam']>[1];

const roundUp = (size: number) => Math.ceil(size / 4) * 4;

/**
 * New parameters and moments are parts of one buffer, so that from the second step on a kernel
 * reads all of them through one binding, and the other bindings are left for gradients.
 */
export function adamKernels(device: WebGPUDevice): Pick<Kernels, 'adam'> {
  const { maxBufferSize, maxStorageBufferBindingSize, maxStorageBuffersPerShaderStage } =
    device.limits;
  const mostBindings = Math.min(maxStorageBuffersPerShaderStage, 32);
  const mostValues = Math.min(maxBufferSize, maxStorageBufferBindingSize) / 4;
  return {
    adam(inputs, numbers, { length }) {
      const count = length / 3;
      const [rates, scale] = inputs.slice(-2);
      const quads = Array.from({ length: count }, (_, i) =>
        [0, 1, 2, 3].map((part) => inputs[part * count + i]),
      ) as unknown as Quad[];
      const results: Triple[] = [];
      try {
        for (let next = 0; next < count; ) {
          let end = next;
          let size = 0;
          do size += 3 * roundUp(quads[end++][0].size);
          while (end < count && size + 3 * roundUp(quads[end][0].size) <= mostValues);
          const some = quads.slice(next, end);
          const whole = device.empty('float32', size);
          const parts = device.split(
            whole,
            some.flatMap(([{ size }]) => [size, size, size]),
          );
          const triples = some.map((_, i) => parts.slice(3 * i, 3 * i + 3) as unknown as Triple);
          results.push(...triples);
          step(device, some, triples, { rates, scale }, numbers, mostBindings);
          next = end;
        }
      } catch (error) {
        for (const buffer of results.flat()) device.free(buffer);
        throw error;
      }
      return [0, 1, 2].flatMap((part) => results.map((triple) => triple[part]));
    },
  };
}

/** Fills `results`, which lie in one buffer. */
function step(
  device: WebGPUDevice,
  quads: readonly Quad[],
  results: readonly Triple[],
  shared: Shared,
  numbers: AdamNumbers,
  bindings: number,
): void {
  let some: number[] = [];
  let memories: (Memory | undefined)[] = [];
  const launch = () => {
    if (some.length > 0) {
      const [chosen, into] = [quads, results].map((list) => some.map((i) => list[i]));
      update(device, chosen as Quad[], into as Triple[], memories, shared, numbers);
    }
    some = [];
    memories = [];
  };
  for (const [i, quad] of quads.entries()) {
    if (quad[0].size === 0) continue;
    const added = () => [...new Set([...memories, ...quad.map(({ memory }) => memory)])];
    if (some.length === MOST || added().length > bindings - 3) launch();
    some.push(i);
    memories = added();
  }
  launch();
}

/** Runs one kernel, which reads the buffers in `memories`. */
function update(
  device: WebGPUDevice,
  quads: readonly Quad[],
  results: readonly Triple[],
  memories: readonly (Memory | undefined)[],
  { rates, scale }: Shared,
  [beta1, beta2, epsilon, decay]: AdamNumbers,
): void {
  const groups = quads.map(([{ size }]) => Math.ceil(size / 4 / GROUP));
  const total = groups.reduce((sum, count) => sum + count, 0);
  const sources = quads.map((quad) => quad.map(({ memory }) => memories.indexOf(memory)));
  // The whole of each memory, and of the results: the numbers say where the tensors begin.
  const wholes: DeviceBuffer[] = memories.map((memory) => {
    const whole: GpuBuffer = { dtype: 'float32', size: 1, memory, at: 0 };
    return whole;
  });
  const into: GpuBuffer = { ...results[0][0], at: 0 };
  const decays = decay !== 0;
  device.run({
    key: `adam ${decays} ${sources.join(' ')}`,
    make: () => ({
      inputs: [...memories.map((_, i) => `x${i}: vec4f`), 'rates: f32', 'scale: f32'],
      outputs: ['out: vec4f'],
      ints: quads.flatMap((_, i) =>
        ['groups', 'count', 'p', 'g', 'm', 'v', 'to'].map((name) => `${name}${i}`),
      ),
      floats: ['beta1', 'rest1', 'beta2', 'rest2', 'epsilon', 'decay'],
      text: `fn update(old: vec4f, gradient: vec4f, first: vec4f, second: vec4f, at: i32, count: i32) {
  let factor = scale[p.scale_at];
  if (!is_finite(factor)) {
    out[at] = old;
    out[at + count] = first;
    out[at + 2 * count] = second;
    return;
  }
  let rate = rates[p.rates_at];
  let root = rates[p.rates_at + 1];
  let shrink = rates[p.rates_at + 2];
  let g = factor * gradient${decays ? ' + p.decay * old' : ''};
  let m = p.beta1 * first + p.rest1 * g;
  let v = p.beta2 * second + p.rest2 * (g * g);
  out[at] = shrink * old - rate * m / (sqrt(v) / root + p.epsilon);
  out[at + count] = m;
  out[at + 2 * count] = v;
}
${main(
  GROUP,
  `  var first = group;
${lines(quads.length, (i) => {
  const read = ['p', 'g', 'm', 'v'].map((name, part) => `x${sources[i][part]}[p.${name}${i} + i]`);
  return `  if (first < p.groups${i}) {
    let i = first * ${GROUP} + t;
    if (i < p.count${i}) { update(${read.join(', ')}, p.to${i} + i, p.count${i}); }
    return;
  }
  first -= p.groups${i};`;
})}`,
)}`,
    }),
    inputs: [...wholes, rates, scale],
    results: [],
    into,
    ints: quads.flatMap((quad, i) => [
      groups[i],
      roundUp(quad[0].size) / 4,
      ...quad.map(({ at }) => at / 4),
      results[i][0].at / 4,
    ]),
    floats: [beta1, 1 - beta1, beta2, 1 - beta2, epsilon, decay],
    groups: spread(total),
  });
}
