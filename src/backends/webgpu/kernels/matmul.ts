/**
 * Matrix products: in tiles, split along k where there are few tiles and much k, and by rows where
 * there are few rows.
 */
import type { DeviceBuffer, MatmulSpec } from '../../backend.js';
import { sizeOf } from '../../layout.js';
import type { WebGPUDevice } from '../device.js';
import { type Launch, spread } from '../launch.js';
import type { GpuBuffer } from '../memory.js';
import { forEach, GROUP, lines, unitOf } from './common.js';
import { type Batch, batchOf } from './matmul-batch.js';
import { thinColumns, thinText } from './matmul-thin.js';
import {
  type Sources,
  sourceNames,
  type Tile,
  type TileFlags,
  tileBytes,
  tileText,
} from './matmul-tile.js';

/** What is applied to each value c of a product, in this order. Buffers hold float32. */
export interface Epilogue {
  /** [n], added to each row. */
  readonly bias?: DeviceBuffer;
  /** As large as the result, added to it. */
  readonly addend?: DeviceBuffer;
  /** Makes negative values 0. */
  readonly relu?: boolean;
  /** As large as the result: makes it 0 where this isn't greater than 0. */
  readonly reluGradient?: DeviceBuffer;
  /** [m], added to the sums of a, where they are a result. */
  readonly sumsAddend?: DeviceBuffer;
}

/** How a product is computed. */
export interface Plan {
  /** Undefined for the kernel for few rows. */
  readonly tile?: Tile;
  /** The number of parts into which k is split. */
  readonly parts: number;
}

// The best of five shapes on an H200, for products up to n = 1024 and from 2048 on. Reading ahead
// isn't measured yet.
export const smallTile: Tile = { rows: 32, columns: 64, depth: 32, perThread: [4, 1], ahead: true };
export const largeTile: Tile = {
  rows: 128,
  columns: 128,
  depth: 16,
  perThread: [8, 2],
  ahead: false,
};
/** Workgroups that keep a large GPU busy. */
const ENOUGH = 256;

/** Chooses how to compute a product on a device with `storage` bytes of workgroup memory. */
export function planOf({ m, n, k, batch }: MatmulSpec, storage: number): Plan {
  if (m <= 4) return { parts: 1 };
  const count = ({ rows, columns }: Tile) =>
    sizeOf(batch) * Math.ceil(m / rows) * Math.ceil(n / columns);
  const area = (tile: Tile) => count(tile) * tile.rows * tile.columns;
  const large = count(largeTile) >= ENOUGH && area(largeTile) <= 1.25 * area(smallTile);
  if (large && tileBytes(largeTile) <= storage) return { tile: largeTile, parts: 1 };
  const tiles = count(smallTile);
  const steps = Math.ceil(k / smallTile.depth);
  // A second kernel costs as much as some eight steps.
  const parts = steps < 16 ? 1 : Math.min(Math.floor(ENOUGH / tiles), Math.floor(steps / 4), 16);
  if (parts < 2) return { tile: smallTile, parts: 1 };
  // Each part but the last has as many steps.
  return { tile: smallTile, parts: Math.ceil(steps / Math.ceil(steps / parts)) };
}

/** The batched product op(a) op(b) of `spec` as a buffer [...batch, m, n]. m, n and k are not 0. */
export function matmul(
  device: WebGPUDevice,
  a: DeviceBuffer,
  b: DeviceBuffer,
  spec: MatmulSpec,
  epilogue: Epilogue = {},
  plan = planOf(spec, device.limits.maxComputeWorkgroupStorageSize),
): GpuBuffer {
  const batch = batchOf(spec);
  const size = batch.count * spec.m * spec.n;
  if (size === 0) return device.empty('float32', 0);
  if (!plan.tile) return thin(device, a, b, spec, batch, epilogue);
  return inTiles(device, a, b, spec, { epilogue, plan })[0];
}

/**
 * A product in tiles. With `sums`, also the sums of a along k, [m]; there must be no batch then. Of
 * sources along k, each must have a multiple of the tile's depth.
 */
export function inTiles(
  device: WebGPUDevice,
  a: DeviceBuffer | Sources,
  b: DeviceBuffer,
  spec: MatmulSpec,
  {
    epilogue = {},
    sums = false,
    plan = planOf(spec, device.limits.maxComputeWorkgroupStorageSize),
  }: { epilogue?: Epilogue; sums?: boolean; plan?: Plan } = {},
): GpuBuffer[] {
  const batch = batchOf(spec);
  const { tile = smallTile, parts } = plan;
  if (parts === 1) return tiled(device, a, b, spec, batch, tile, 1, epilogue, sums);
  const partials = tiled(device, a, b, spec, batch, tile, parts, {}, sums);
  const size = batch.count * spec.m * spec.n;
  const sources = [{ buffers: partials, parts }];
  return device.using(partials, () => {
    const most = device.limits.maxStorageBuffersPerShaderStage;
    return device.run(combined(sources, spec, size, epilogue, most));
  });
}

/** Bindings, key and the function `finish` of an epilogue on units of the result. */
function finishOf(epilogue: Epilogue, unit: 'f32' | 'vec4f', sums = false) {
  const { bias, addend, relu = false, reluGradient, sumsAddend } = epilogue;
  const named = Object.entries({
    ...{ bias, addend, positive: reluGradient },
    sums_addend: sumsAddend,
  }).filter((entry): entry is [string, DeviceBuffer] => entry[1] !== undefined);
  const names = named.map(([name]) => name);
  const lanes = unit === 'f32' ? [''] : ['.x', '.y', '.z', '.w'];
  const of = (f: (lane: string) => string) =>
    unit === 'f32' ? f('') : `vec4f(${lanes.map(f).join(', ')})`;
  const statements = [
    bias && 'v += bias[p.bias_at + column];',
    addend && 'v += addend[p.addend_at + at];',
    relu && `v = ${of((lane) => `rectified(v${lane})`)};`,
    reluGradient &&
      `let y = positive[p.positive_at + at]; v = ${of((lane) => `select(0.0, v${lane}, y${lane} > 0.0 && !is_nan(y${lane}))`)};`,
  ].filter(Boolean);
  return {
    key: `${names} ${relu} ${sums}`,
    outputs: [`out: ${unit}`, ...(sums ? ['sums: f32'] : [])],
    buffers: named.map(([, buffer]) => buffer),
    bindings: names.map((name) => `${name}: ${name === 'sums_addend' ? 'f32' : unit}`),
    /** Completes the product `c`, which is unit `at` of the result, in unit `column` of its row. */
    text: `fn finish(c: ${unit}, at: i32, column: i32) -> ${unit} {
  var v = c;
  ${statements.join('\n  ')}
  return v;
}
${sums ? `fn store_sum(sum: f32, at: i32) { sums[p.sums_at + at] = sum${sumsAddend ? ' + sums_addend[p.sums_addend_at + at]' : ''}; }\n` : ''}`,
  };
}

/** The launch that `of` describes with an epilogue, which a prepared list may extend. */
function launching(
  epilogue: Epilogue,
  unit: 'f32' | 'vec4f',
  sums: boolean,
  of: (finish: ReturnType<typeof finishOf>, epilogue: Epilogue) => Launch,
): Launch {
  return {
    ...of(finishOf(epilogue, unit, sums), epilogue),
    complete({ name, operand }, output) {
      if (output === 1) {
        if (name !== 'addend' || epilogue.sumsAddend) return undefined;
        return launching({ ...epilogue, sumsAddend: operand }, unit, sums, of);
      }
      if (epilogue.relu || epilogue.reluGradient || epilogue[name]) return undefined;
      return launching({ ...epilogue, [name]: operand }, unit, sums, of);
    },
  };
}

function tiled(
  device: WebGPUDevice,
  a: DeviceBuffer | Sources,
  b: DeviceBuffer,
  spec: MatmulSpec,
  batch: Batch,
  tile: Tile,
  parts: number,
  epilogue: Epilogue,
  sums: boolean,
): GpuBuffer[] {
  const { m, n, k, transposeA, transposeB, skipZeros = false } = spec;
  const [buffers, along] = 'along' in a ? [a.buffers, a.along] : [[a], undefined];
  const length = along === 'k' ? k / buffers.length : k;
  const rowLengths = [transposeA ? m : length, transposeB ? k : n];
  const flags: TileFlags = {
    transposeA,
    transposeB,
    skipZeros,
    unit: unitOf(...rowLengths, ...batch.strides),
    outUnit: unitOf(n),
    axes: batch.axes,
    sources: buffers.length,
    along,
    sums,
  };
  const down = Math.ceil(m / tile.rows);
  const across = Math.ceil(n / tile.columns);
  const total = down * across * batch.count * parts;
  const perPart = Math.ceil(Math.ceil(k / parts) / tile.depth) * tile.depth;
  const product = launching(epilogue, flags.outUnit, sums, (finish) => ({
    key: `matmul ${Object.values(tile)} ${Object.values(flags)} ${finish.key}`,
    make: () => ({
      inputs: [
        ...[...sourceNames(flags), 'b'].map((name) => `${name}: ${flags.unit}`),
        ...finish.bindings,
      ],
      outputs: finish.outputs,
      ints: [
        ...['m', 'n', 'k', 'per_part', 'down', 'across', 'batches', 'total', 'length'],
        ...batch.names,
      ],
      text: `${finish.text}${tileText(tile, flags, batch.text)}`,
    }),
    inputs: [...buffers, b, ...finish.buffers],
    results: [
      { dtype: 'float32', size: parts * batch.count * m * n },
      ...(sums ? [{ dtype: 'float32' as const, size: parts * m }] : []),
    ],
    ints: [...[m, n, k, perPart, down, across, batch.count, total, length], ...batch.numbers],
    groups: spread(total),
  }));
  return device.run(product);
}

/** The parts of a product, and of its sums if it has them. */
interface Parts {
  readonly buffers: readonly DeviceBuffer[];
  readonly parts: number;
}

/**
 * Adds the parts of a product and of its sums, always in the same order. Of several products, whose
 * sum is the result, each is added up by itself.
 */
function combined(
  sources: readonly Parts[],
  spec: MatmulSpec,
  size: number,
  epilogue: Epilogue,
  mostBindings: number,
): Launch {
  const { m, n } = spec;
  const unit = unitOf(n);
  const lanes = unit === 'f32' ? 1 : 4;
  const count = size / lanes;
  const sums = sources[0].buffers.length > 1;
  const all = count + (sums ? m : 0);
  const add = (what: string, type: string, length: string, at: string) => `  var c: ${type};
${lines(
  sources.length,
  (i) => `  {
    var own = ${what}${i}[p.${what}${i}_at + ${at}];
    for (var part = 1; part < p.parts${i}; part++) { own += ${what}${i}[p.${what}${i}_at + part * p.${length} + ${at}]; }
    c ${i === 0 ? '' : '+'}= own;
  }`,
)}`;
  const names = sources.flatMap((_, i) => [
    `product${i}: ${unit}`,
    ...(sums ? [`sums${i}: f32`] : []),
  ]);
  return launching(epilogue, unit, sums, (finish, epilogue) => ({
    key: `matmul parts ${sources.length} ${unit} ${finish.key}`,
    make: () => ({
      inputs: [...names, ...finish.bindings],
      outputs: finish.outputs,
      ints: ['count', 'values', 'columns', 'rows', ...sources.map((_, i) => `parts${i}`)],
      text: `${finish.text}${forEach(`${
        sums
          ? `  if (i >= p.values) {
    let row = i - p.values;
${add('sums', 'f32', 'rows', 'row')}
    store_sum(c, row);
    return;
  }
`
          : ''
      }${add('product', unit, 'values', 'i')}
  out[p.out_at + i] = finish(c, i, i % p.columns);`)}`,
    }),
    inputs: [...sources.flatMap(({ buffers }) => buffers), ...finish.buffers],
    results: [
      { dtype: 'float32', size },
      ...(sums ? [{ dtype: 'float32' as const, size: m }] : []),
    ],
    ints: [all, count, n / lanes, m, ...sources.map(({ parts }) => parts)],
    groups: spread(Math.ceil(all / GROUP)),
    absorbable: { sources, m, n, size, epilogue },
    absorb({ absorbable }, outputs) {
      const earlier = absorbable as Total;
      const isAddend = [epilogue.addend, epilogue.sumsAddend]
        .slice(0, outputs.length)
        .every((addend, i) => (addend as GpuBuffer | undefined)?.memory === outputs[i].memory);
      const fits = earlier.m === m && earlier.n === n && earlier.size === size;
      const joint = [...earlier.sources, ...sources];
      const bindings = (joint.length + 1) * outputs.length + 2;
      const isPlain = Object.values(earlier.epilogue).every((step) => !step);
      if (!isAddend || !fits || !isPlain || bindings > mostBindings) return undefined;
      const rest = { ...epilogue, addend: undefined, sumsAddend: undefined };
      return combined(joint, spec, size, rest, mostBindings);
    },
  }));
}

/** What `combined` has computed. */
interface Total {
  readonly sources: readonly Parts[];
  readonly m: number;
  readonly n: number;
  readonly size: number;
  readonly epilogue: Epilogue;
}

/** A product of at most four rows. */
function thin(
  device: WebGPUDevice,
  a: DeviceBuffer,
  b: DeviceBuffer,
  spec: MatmulSpec,
  batch: Batch,
  epilogue: Epilogue,
): GpuBuffer {
  const { m, n, k, transposeA, transposeB, skipZeros = false } = spec;
  const across = Math.ceil(n / thinColumns(transposeB));
  const total = across * batch.count;
  const product = launching(epilogue, 'f32', false, (finish) => ({
    key: `matmul thin ${transposeA} ${transposeB} ${skipZeros} ${batch.axes} ${finish.key}`,
    make: () => ({
      inputs: ['a: f32', 'b: f32', ...finish.bindings],
      outputs: ['out: f32'],
      ints: ['m', 'n', 'k', 'across', 'total', ...batch.names],
      text: `${finish.text}${thinText(transposeA, transposeB, skipZeros, batch.text)}`,
    }),
    inputs: [a, b, ...finish.buffers],
    results: [{ dtype: 'float32', size: batch.count * m * n }],
    ints: [m, n, k, across, total, ...batch.numbers],
    groups: spread(total),
  }));
  return device.run(product)[0];
}
