/**
 * Elementwise kernels. A thread computes four neighbours of the result from values that it reads, by
 * no step (a copy), by one, or by several: a prepared list joins kernels that only hand values on to
 * each other into a chain.
 */
import type { DeviceBuffer } from '../../backend.js';
import type { WebGPUDevice } from '../device.js';
import type { Launch } from '../launch.js';
import type { GpuBuffer } from '../memory.js';
import { PARAMS_BYTES } from '../recording.js';
import type { Source } from './sources.js';
import { eachQuad, quadGroups } from './views.js';

/** Operations of one signature that share a text, `fn NAME(x, y, ..., op: i32)`. */
export interface Family {
  readonly name: string;
  readonly operands: readonly ('f32' | 'i32')[];
  readonly result: 'f32' | 'i32';
  readonly text: string;
}

/** A value of each element: read, or computed from others by operation number `op` of a family. */
export type Value = Source | Computed;
export interface Computed {
  readonly family: Family;
  readonly op: number;
  readonly operands: readonly Value[];
}

/** The steps of a chain, all of which a compiler copies into one kernel. */
const MOST_STEPS = 16;

/** Returns a new buffer of the values of `value`. */
export function evaluate(
  device: WebGPUDevice,
  value: Value,
  result: Launch['results'][0],
  completion?: Launch['completion'],
): GpuBuffer {
  const launch = chain(device, value, result);
  const [out] = device.run(completion ? { ...launch, completion } : launch);
  return out;
}

/** What a chain tells a later one. */
interface Absorbable {
  readonly value: Value;
}

function chain(device: WebGPUDevice, value: Value, result: Launch['results'][0]): Launch {
  const plan = planOf(value);
  const { sources, steps, names } = plan;
  const calls = steps.map(({ family, operands }) => `${family.name}(${operands.map(names)})`);
  const quads = Math.ceil(result.size / 4);
  return {
    key: `elements ${[...sources.map(({ key }) => key), ...calls]}`,
    make: () => textOf(plan),
    inputs: sources.flatMap(({ buffers }) => buffers),
    results: [result],
    ints: [quads, 0, ...steps.map(({ op }) => op), ...sources.flatMap(({ ints }) => ints)],
    groups: quadGroups(result.size),
    absorbable: { value },
    absorb({ absorbable }, [output]) {
      const earlier = (absorbable as Partial<Absorbable>).value;
      const whole = earlier && replaced(value, output, earlier);
      return whole && fits(device, whole) ? chain(device, whole, result) : undefined;
    },
  };
}

/** The sources of a value and the steps that compute it, in order, with their names in the text. */
function planOf(value: Value) {
  const sources: Source[] = [];
  const steps: Computed[] = [];
  const names = new Map<Value, string>();
  const visit = (part: Value): void => {
    if (names.has(part)) return;
    if ('family' in part) {
      part.operands.forEach(visit);
      names.set(part, `y${steps.push(part) - 1}`);
    } else {
      names.set(part, `x${sources.push(part) - 1}`);
    }
  };
  visit(value);
  return { sources, steps, names: (part: Value) => names.get(part) as string };
}

/**
 * The text of a chain. Values between steps are bits, and `zero` is 0, which no compiler knows: else
 * it could round a product and a sum of two steps only once, or change the order of operations.
 *
 * A loop has one copy of the functions that a step calls. Each step has its own, since SwiftShader
 * takes time exponential in the branches of a loop.
 */
function textOf({ sources, steps, names }: ReturnType<typeof planOf>) {
  const families = new Set(steps.map(({ family }) => family));
  const lines = steps.map(({ family, operands }, i) => {
    const values = operands.map((part, j) => {
      const bits = `${names(part)}[lane]`;
      return family.operands[j] === 'f32' ? `float_of(${bits})` : bits;
    });
    const call = `${family.name}(${[...values, `p.op${i}`].join(', ')})`;
    const result = family.result === 'f32' ? `bits_of(${call}) ^ p.zero` : call;
    return `  var y${i} = vec4i(0);
  for (var lane = 0; lane < 4; lane++) { y${i}[lane] = ${result}; }
`;
  });
  return {
    inputs: sources.flatMap(({ buffers, unit }, i) => buffers.map((_, j) => `x${i}_${j}: ${unit}`)),
    outputs: ['out: vec4i'],
    ints: [
      ...['quads', 'zero', ...steps.map((_, i) => `op${i}`)],
      ...sources.flatMap((source, i) => source.names(`x${i}`)),
    ],
    text: [
      ...[...families].map(({ text }) => text),
      ...sources.map((source, i) => source.text(`x${i}`)),
      eachQuad,
      ...sources.map((_, i) => `  let x${i} = x${i}_four(t);\n`),
      ...lines,
      `  out[p.out_at + t] = ${steps.length > 0 ? `y${steps.length - 1}` : 'x0'};\n}`,
    ].join(''),
  };
}

/**
 * Returns `value` with `earlier` in place of the buffer `output`, each source once. Undefined where
 * it reads `output` in another way than value by value.
 */
function replaced(value: Value, output: GpuBuffer, earlier: Value): Value | undefined {
  const known: Source[] = [];
  const done = new Map<Value, Value>();
  let isWhole = true;
  const visit = (part: Value): Value => {
    const before = done.get(part);
    if (before) return before;
    let after: Value;
    if ('family' in part) {
      after = { ...part, operands: part.operands.map(visit) };
    } else if (part.buffers.some((buffer) => liesIn(buffer, output))) {
      const [{ size }] = part.buffers;
      isWhole &&= part.isWhole === true && size === output.size;
      after = visit(earlier);
    } else {
      after = known.find((other) => isSame(other, part)) ?? part;
      if (after === part) known.push(part);
    }
    done.set(part, after);
    return after;
  };
  const whole = visit(value);
  return isWhole ? whole : undefined;
}

function liesIn(buffer: DeviceBuffer, { memory }: GpuBuffer): boolean {
  return (buffer as GpuBuffer).memory === memory;
}

/** Whether two sources read the same values. */
function isSame(a: Source, b: Source): boolean {
  return (
    a.key === b.key &&
    `${a.ints}` === `${b.ints}` &&
    a.buffers.every((buffer, i) => {
      const [one, other] = [buffer, b.buffers[i]] as GpuBuffer[];
      return one.memory === other.memory && one.at === other.at;
    })
  );
}

/** Whether a kernel has room for all steps, buffers and numbers of a value. */
function fits(device: WebGPUDevice, value: Value): boolean {
  const { sources, steps } = planOf(value);
  const bindings = sources.flatMap(({ buffers }) => buffers).length + 1;
  const ints = sources.flatMap(({ ints }) => ints).length + steps.length + 2;
  return (
    steps.length <= MOST_STEPS &&
    bindings <= device.limits.maxStorageBuffersPerShaderStage &&
    4 * (bindings + ints) <= PARAMS_BYTES
  );
}
