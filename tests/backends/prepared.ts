/** For tests of prepared lists on WebGPU: launches that are merged compute what they compute one by one. */
import type { Test } from 'uvu';
import * as assert from 'uvu/assert';
import type { DeviceBuffer, Kernels, View } from '../../src/backends/backend.js';
import { stridesOf } from '../../src/backends/layout.js';
import { WebGPUBackend } from '../../src/backends/webgpu/backend.js';
import { WebGPUDevice } from '../../src/backends/webgpu/device.js';
import { floatsOf, same } from './arrays.js';
import { dawn } from './dawn.js';

export let gpu: WebGPUBackend;
/** The text of every kernel, by its key. */
export const texts = new Map<string, string>();

/** Opens a device with the fewest bindings around the tests of a suite, which fail where it complains. */
export function openFor(test: Test): void {
  const errors: string[] = [];
  test.before(async () => {
    const adapter = await (await dawn()).requestAdapter();
    const device = (await adapter?.requestDevice()) as GPUDevice;
    device.addEventListener('uncapturederror', ({ error }) => errors.push(error.message));
    const { createShaderModule } = device;
    device.createShaderModule = (descriptor) => {
      texts.set(descriptor.label ?? '', descriptor.code);
      return createShaderModule.call(device, descriptor);
    };
    gpu = new WebGPUBackend(new WebGPUDevice(device));
  });
  test.after(() => gpu.close());
  test.after.each(() => assert.equal(errors, []));
}

export type Part = <T>(f: () => T) => T;
export type Buffers = readonly DeviceBuffer[];
export type Compute = (inputs: Buffers, part: Part) => Buffers;

export const direct: Part = (f) => f();
export const readAll = (buffers: Buffers) => Promise.all(buffers.map((buffer) => gpu.read(buffer)));

/** The buffers that `f` returns, and how many kernels it runs. */
export function counted(f: () => Buffers): [buffers: Buffers, launches: number] {
  const before = gpu.counts().dispatches;
  const buffers = f();
  return [buffers, gpu.counts().dispatches - before];
}

/** Compares a prepared list, run twice, with the same launches one by one, of which `merged` go. */
export async function check(what: string, inputs: Buffers, merged: number, compute: Compute) {
  const [eager, all] = counted(() => compute(inputs, direct));
  const expected = await readAll(eager);
  const list = gpu.prepare(inputs, (part) => compute(inputs, part));
  for (let run = 0; run < 2; run++) {
    const [made, some] = counted(() => list.run(inputs) as Buffers);
    assert.is(all - some, merged, `${what}: merged launches of ${all}`);
    const came = await readAll(made);
    for (const [i, values] of came.entries()) same(values, expected[i], `${what}, result ${i}`);
    for (const buffer of made) gpu.free(buffer);
  }
  list.dispose();
}

/** Random buffers of these sizes, with values of every kind. */
export const buffers = (...sizes: number[]): Buffers =>
  sizes.map((size, i) => gpu.upload(floatsOf(size, size + i, 'hard')));
/** The same with ordinary values. */
export const reals = (...sizes: number[]): Buffers =>
  sizes.map((size, i) => gpu.upload(floatsOf(size, size + i, 'real')));

export function view(
  buffer: DeviceBuffer,
  shape: readonly number[] = [buffer.size],
  strides: readonly number[] = stridesOf(shape),
  offset = 0,
): View {
  return { buffer, shape, strides, offset };
}
export const add = (a: DeviceBuffer, b: DeviceBuffer) => gpu.binary('add', view(a), view(b));
export const neg = (x: DeviceBuffer) => gpu.unary('neg', x);
/** The same values, by a kernel that merges with no other. */
export const apart = (x: DeviceBuffer) => gpu.reduce('max', view(x, [x.size, 1]), 1);

export function kernel<K extends keyof Kernels>(
  name: K,
  inputs: Buffers,
  numbers: number[],
  count = 1,
) {
  const call = gpu.kernels[name] as unknown as (...args: unknown[]) => Buffers;
  const [{ size }] = inputs;
  const result = { shape: [size], dtype: 'float32' };
  return call(
    inputs,
    numbers,
    Array.from({ length: count }, () => result),
  );
}
export const reluGradient = (y: DeviceBuffer, g: DeviceBuffer) =>
  kernel('reluGradient', [y, g], [])[0];

export function matmul(a: DeviceBuffer, b: DeviceBuffer, n: number): DeviceBuffer {
  const k = b.size / n;
  const plain = { transposeA: false, transposeB: false, batch: [] };
  const spec = { m: a.size / k, n, k, ...plain, batchStridesA: [], batchStridesB: [] };
  return gpu.matmul(a, b, spec);
}
export const sumRows = (x: DeviceBuffer, width: number) =>
  gpu.reduce('sum', view(x, [width, x.size / width], [1, width]), 1);
/** Puts the rows of `x` at row `at` of a matrix of `rows` rows. */
export function pad(x: DeviceBuffer, rows: number, width: number, at = 1, value = 0): DeviceBuffer {
  const piece = { view: view(x, [x.size / width, width]), at: [at, 0] };
  return gpu.assemble([rows, width], x.dtype, value, [piece]);
}
/** Some values from `offset` on, which stay where they are. */
export const slice = (x: DeviceBuffer, offset: number, size: number) =>
  gpu.assemble([size], x.dtype, 0, [{ view: view(x, [size], [1], offset), at: [0] }]);
export const norm = (x: DeviceBuffer, weight: DeviceBuffer, g: DeviceBuffer) =>
  kernel('layerNormGradient', [x, weight, g], [1e-5, x.size / weight.size, weight.size], 3);
