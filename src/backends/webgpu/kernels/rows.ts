/** Kernels over rows: 32 threads to a row, or 256 where rows are long. */
import type { DeviceBuffer } from '../../backend.js';
import type { WebGPUDevice } from '../device.js';
import { type Launch, spread } from '../launch.js';
import type { GpuBuffer } from '../memory.js';
import { GROUP, main, type Unit } from './common.js';

/** Rows that are longer get a workgroup each. */
const LONG = 1024;

const reduction = (name: string, lanes: number, step: string, end: string) => `
fn ${name}(value: f32, t: i32) -> f32 {
  cells[t / 4][t % 4] = value;
  workgroupBarrier();
  let first = t / ${lanes} * ${lanes / 4};
  var all = cells[first];
  for (var i = 1; i < ${lanes / 4}; i++) { ${step} }
  workgroupBarrier();
  return ${end};
}`;

/**
 * Returns a kernel that runs the statements `body` in each thread. They know their `row`, the first
 * index `start` of its units, and the number `lane` of their thread in it; where `inside` is
 * false there is no such row, and nothing may be written. `eachUnit` loops over the units of a row.
 * `sum_of(x, t)` and `most_of(x, t)` are the sum and the largest of the values x that the threads
 * of a row pass; all threads must call them.
 */
function rowText(lanes: number, body: string): string {
  // Each thread of a row reads all of its values, which takes two barriers; a tree takes five.
  return `var<workgroup> cells: array<vec4f, ${GROUP / 4}>;
${reduction('sum_of', lanes, 'all += cells[first + i];', 'all.x + all.y + all.z + all.w')}
${reduction(
  'most_of',
  lanes,
  'let x = cells[first + i]; all = vec4f(larger(all.x, x.x), larger(all.y, x.y), larger(all.z, x.z), larger(all.w, x.w));',
  'larger(larger(all.x, all.y), larger(all.z, all.w))',
)}
${main(
  GROUP,
  `  let number = group * ${GROUP / lanes} + t / ${lanes};
  let inside = number < p.rows;
  let row = min(number, p.rows - 1);
  let lane = t % ${lanes};
  let start = row * p.width;
${body}`,
)}`;
}

/** Statements that run `body` for the index `j` of each unit of the row. */
export type EachUnit = (body: string) => string;

export interface RowLaunch {
  readonly key: string;
  readonly unit: Unit;
  /** Bindings, as in `KernelText`. */
  readonly bindings: readonly string[];
  readonly outputs: readonly string[];
  readonly body: (eachUnit: EachUnit) => string;
  /** Functions that `body` calls. */
  readonly functions?: string;
  readonly inputs: readonly DeviceBuffer[];
  readonly results: Launch['results'];
  readonly rows: number;
  /** The values of a row. */
  readonly width: number;
  /** Further numbers by name. */
  readonly ints?: Readonly<Record<string, number>>;
  readonly floats?: Readonly<Record<string, number>>;
}

/** Runs the kernel over rows that `launch` describes. */
export function overRows(device: WebGPUDevice, launch: RowLaunch): GpuBuffer[] {
  return device.run(rowLaunch(launch));
}

/**
 * The launch of a kernel over rows. Its text knows the numbers `rows`, `width` (in units) and
 * `length` (a float, in values).
 */
export function rowLaunch(launch: RowLaunch): Launch {
  const { unit, bindings, outputs, inputs, results, rows, width, ints = {}, floats = {} } = launch;
  const lanes = width > LONG ? GROUP : 32;
  const eachUnit: EachUnit = (body) =>
    `  for (var j = lane; j < p.width; j += ${lanes}) {\n    ${body}\n  }`;
  return {
    key: `${launch.key} ${unit} ${lanes}`,
    make: () => ({
      inputs: bindings,
      outputs,
      ints: ['rows', 'width', ...Object.keys(ints)],
      floats: ['length', ...Object.keys(floats)],
      text: `${launch.functions ?? ''}${rowText(lanes, launch.body(eachUnit))}`,
    }),
    inputs,
    results,
    ints: [rows, unit === 'f32' ? width : width / 4, ...Object.values(ints)],
    floats: [width, ...Object.values(floats)],
    groups: spread(Math.ceil(rows / (GROUP / lanes))),
  };
}
