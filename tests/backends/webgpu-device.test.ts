/** The device under the WebGPU backend, in Node over Dawn: recording, reading, and memory. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type DeviceOptions, WebGPUDevice } from '../../src/backends/webgpu/device.js';
import { type Launch, spread } from '../../src/backends/webgpu/launch.js';
import { type GpuBuffer, sizeClass } from '../../src/backends/webgpu/memory.js';
import { moduleOf } from '../../src/backends/webgpu/text.js';
import { dawn } from './dawn.js';

const test = suite('the WebGPU device');

/** A device of its own, and what it complains of. */
async function open(options?: DeviceOptions) {
  const adapter = await (await dawn()).requestAdapter();
  const gpu = (await adapter?.requestDevice()) as GPUDevice;
  const errors: string[] = [];
  gpu.addEventListener('uncapturederror', ({ error }) => errors.push(error.message));
  return { device: new WebGPUDevice(gpu, options), gpu, errors };
}

/** out = a * scale + shift, element by element. */
function affine(a: GpuBuffer, scale: number, shift: number): Launch {
  const make = () => ({
    inputs: ['a: f32'],
    outputs: ['out: f32'],
    ints: ['size', 'scale'],
    floats: ['shift'],
    text: `@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
      let i = i32(id.x);
      if (i >= p.size) { return; }
      out[p.out_at + i] = a[p.a_at + i] * f32(p.scale) + p.shift;
    }`,
  });
  return {
    key: 'affine',
    make,
    inputs: [a],
    results: [{ dtype: 'float32', size: a.size }],
    ints: [a.size, scale],
    floats: [shift],
    groups: [Math.ceil(a.size / 64)],
  };
}

const floats = (...values: number[]) => Float32Array.from(values);

test('a chain of kernels is one submission, and pipelines and bind groups are kept', async () => {
  const { device, gpu } = await open();
  const { createBindGroup } = gpu;
  let bindGroups = 0;
  gpu.createBindGroup = function (...args) {
    bindGroups++;
    return createBindGroup.apply(this, args);
  };
  const step = async () => {
    let x = device.upload(floats(1, 2, 3));
    for (let i = 0; i < 100; i++) {
      const [next] = device.run(affine(x, 1, 1));
      device.free(x);
      x = next;
    }
    const values = await device.read(x);
    device.free(x);
    return [...values];
  };
  assert.equal(await step(), [101, 102, 103]);
  const first = device.counts();
  assert.is(first.submits, 1);
  assert.is(first.reads, 1);
  assert.is(first.dispatches, 100);
  assert.is(first.kernels, 1);
  assert.is(first.bytesRead, 12);
  assert.ok(first.blocks <= 3, `${first.blocks} buffers`);
  await step();
  const before = bindGroups;
  for (let i = 0; i < 5; i++) assert.equal(await step(), [101, 102, 103]);
  assert.is(bindGroups, before);
  assert.is(device.counts().blocks, first.blocks);
  device.close();
});

test('reads that are requested together are one copy', async () => {
  const { device } = await open();
  const x = device.upload(floats(1, 2, 3, 4, 5));
  const [y] = device.run(affine(x, 2, 0));
  const z = device.upload(Int32Array.of(-(2 ** 31), 2 ** 31 - 1));
  const reads = [y, z, x, y].map((buffer) => device.read(buffer));
  device.free(y); // a read keeps the memory until it is done
  const [again] = device.run(affine(x, 3, 0));
  const came = await Promise.all(reads);
  assert.equal(came, [
    floats(2, 4, 6, 8, 10),
    Int32Array.of(-(2 ** 31), 2 ** 31 - 1),
    floats(1, 2, 3, 4, 5),
    floats(2, 4, 6, 8, 10),
  ]);
  assert.is(device.counts().reads, 1);
  assert.is(device.counts().submits, 1);
  assert.equal(await device.read(again), floats(3, 6, 9, 12, 15));
  assert.equal(await device.read(device.upload(floats())), floats());
  device.close();
});

test('an upload takes no memory that a recorded kernel still reads', async () => {
  const { device } = await open();
  const results: GpuBuffer[] = [];
  for (let i = 0; i < 20; i++) {
    const x = device.upload(floats(i, i));
    results.push(device.run(affine(x, 1, 0))[0]);
    device.free(x);
  }
  const came = await Promise.all(results.map((buffer) => device.read(buffer)));
  assert.equal(
    came.map((values) => values[1]),
    results.map((_, i) => i),
  );
  assert.is(device.counts().submits, 1);
  device.close();
});

test('kernels read and return parts of a buffer by their offsets', async () => {
  const { device } = await open();
  const whole = device.upload(floats(1, 2, 3, 0, 4, 5, 0, 0, 6));
  const parts = device.split(whole, [3, 0, 2, 1]);
  assert.equal(
    parts.map(({ at, size }) => [at, size]),
    [
      [0, 3],
      [4, 0],
      [4, 2],
      [8, 1],
    ],
  );
  assert.is(whole.memory, undefined);
  const doubled = [0, 2, 3].map((i) => device.run(affine(parts[i], 2, 0))[0]);
  const reads = [...doubled, parts[2]].map((buffer) => device.read(buffer));
  assert.equal(await Promise.all(reads), [
    floats(2, 4, 6),
    floats(8, 10),
    floats(12),
    floats(4, 5),
  ]);
  const [four] = device.run({
    ...affine(parts[2], 1, 0),
    key: 'first lane',
    make: () => ({
      inputs: ['a: vec4f'],
      outputs: ['out: f32'],
      ints: ['size', 'scale'],
      floats: ['shift'],
      text: '@compute @workgroup_size(1) fn main() { out[p.out_at] = a[p.a_at].x; }',
    }),
  });
  assert.is((await device.read(four))[0], 4);
  // The memory is free once its last part is.
  const { blocks } = device.counts();
  for (const part of parts) device.free(part);
  const next = device.upload(floats(...Array(9).keys()));
  assert.is(device.counts().blocks, blocks);
  assert.is(next.at, 0);
  device.close();
});

test('an empty input is bound, and an empty result is a buffer', async () => {
  const { device, errors } = await open();
  const [y] = device.run(affine(device.upload(floats()), 1, 0));
  assert.is(y.size, 0);
  assert.equal(await device.read(y), floats());
  assert.equal(errors, []);
  device.close();
});

test('when the ring of numbers is full, commands are submitted', async () => {
  const { device } = await open();
  const zero = device.upload(floats(0));
  const kept: GpuBuffer[] = [];
  for (let i = 0; i < 4500; i++) {
    const [y] = device.run(affine(zero, 1, i));
    if (i % 500 === 0 || i > 4090) kept.push(y);
    else device.free(y);
  }
  assert.is(device.counts().submits, 1);
  const came = await Promise.all(kept.map((buffer) => device.read(buffer)));
  assert.equal(
    came.map(([value]) => value),
    Array.from({ length: 4500 }, (_, i) => i).filter((i) => i % 500 === 0 || i > 4090),
  );
  device.close();
});

for (const pooledBytes of [4096, 2 ** 20]) {
  test(`nothing is destroyed in use where ${pooledBytes} bytes are kept`, async () => {
    const { device, gpu, errors } = await open({ pooledBytes });
    let live = 0;
    const { createBuffer } = gpu;
    gpu.createBuffer = function (...args) {
      const buffer = createBuffer.apply(this, args);
      const { destroy } = buffer;
      live++;
      buffer.destroy = function () {
        live--;
        return destroy.call(this);
      };
      return buffer;
    };
    const lives: number[] = [];
    for (let step = 0; step < 6; step++) {
      let sum = device.upload(floats(...Array(50_000).fill(step)));
      for (let i = 0; i < 40; i++) {
        const [next] = device.run(affine(sum, 1, 1));
        device.free(sum);
        sum = next;
      }
      const values = await device.read(sum);
      assert.ok(
        values.every((value) => value === step + 40),
        `step ${step}: ${values[0]}`,
      );
      device.free(sum);
      lives.push(live);
    }
    assert.equal(errors, []);
    assert.is(lives[5], lives[1], `${lives} buffers`);
    assert.ok(live < 10, `${live} buffers`);
    device.close();
  });
}

test('what is freed is refused, and so is a tensor over the limit', async () => {
  const { device } = await open();
  const x = device.upload(floats(1));
  device.free(x);
  assert.throws(() => device.read(x), /webgpu: a buffer was used after it was freed\./);
  assert.throws(() => device.run(affine(x, 1, 0)), /used after it was freed/);
  const y = device.upload(floats(1));
  const large = { ...affine(y, 1, 0), results: [{ dtype: 'float32', size: 2 ** 30 } as const] };
  assert.throws(() => device.run(large), /^webgpu: .* 1073\.7 million values exceeds/);
  assert.equal(await device.read(y), floats(1));
  device.close();
});

async function said(promise: Promise<unknown>): Promise<string> {
  return promise.then(() => 'no error', String);
}

test('a lost device, a kernel that does not compile, and a closed device are sentences', async () => {
  const lost = await open();
  const x = lost.device.upload(floats(1));
  lost.gpu.destroy();
  await lost.gpu.lost;
  assert.match(
    await said(lost.device.read(x)),
    /^MemgradError: webgpu: .* took the GPU away .* 'wasm'\.$/,
  );
  assert.match(
    await said(lost.device.read(lost.device.run(affine(x, 1, 0))[0])),
    /took the GPU away/,
  );

  const { device } = await open();
  const y = device.upload(floats(1));
  const wrong = {
    ...affine(y, 1, 0),
    make: () => ({ inputs: [], outputs: [], text: 'fn fn() {}' }),
  };
  const [z] = device.run(wrong);
  const error = await said(device.read(z));
  assert.match(error, /^MemgradError: webgpu: a kernel does not run on this GPU .*'wasm'/);

  const closing = await open();
  const w = closing.device.upload(floats(1));
  const reading = said(closing.device.read(w));
  closing.device.close();
  const closed = /^MemgradError: webgpu: this backend was closed, .*again\.$/;
  assert.match(await reading, closed);
  assert.match(await said(closing.device.read(w)), closed);
});

/** Records ten kernels of different texts, the last of which is `last`; returns their sum. */
function ten(device: WebGPUDevice, last = ''): GpuBuffer {
  let x = device.upload(floats(0));
  for (let i = 0; i < 10; i++) {
    const launch = affine(x, 1, i);
    const make = () => ({ ...launch.make(), text: `${launch.make().text}${i < 9 ? '' : last}` });
    const [next] = device.run({ ...launch, key: `affine ${i}`, make });
    device.free(x);
    x = next;
  }
  return x;
}

test('many kernels are compiled side by side, and run in order', async () => {
  const { device, gpu, errors } = await open();
  const { createComputePipeline, createComputePipelineAsync } = gpu;
  let [atOnce, ahead] = [0, 0];
  gpu.createComputePipeline = function (...args) {
    atOnce++;
    return createComputePipeline.apply(this, args);
  };
  gpu.createComputePipelineAsync = function (...args) {
    ahead++;
    return createComputePipelineAsync.apply(this, args);
  };
  const sum = ten(device);
  assert.is(ahead, 8, 'begun before anything is read');
  const reading = device.read(sum);
  device.free(sum); // a read keeps the memory until it is done
  // Recorded while the read waits: it may take the memory of what is freed.
  const [later] = device.run(affine(device.upload(floats(7)), 2, 1));
  assert.equal(await reading, floats(45));
  assert.equal(await device.read(later), floats(15));
  assert.equal([ahead, atOnce], [11, 0]);
  const [again] = device.run(affine(later, 1, 1));
  assert.equal(await device.read(again), floats(16));
  const { submits, kernels, dispatches } = device.counts();
  assert.equal([submits, kernels, dispatches], [3, 11, 12]);
  assert.equal(errors, []);
  device.close();
});

test('kernels that are needed before they are ready are compiled at once', async () => {
  const { device, errors } = await open({ pooledBytes: 0 });
  const sum = ten(device); // each free submits
  assert.ok(device.counts().submits > 8);
  assert.equal(await device.read(sum), floats(45));
  assert.equal(errors, []);
  device.close();
});

test('a kernel of many that does not compile, a lost device and a closed one end the wait', async () => {
  const wrong = await open();
  const error = await said(wrong.device.read(ten(wrong.device, 'fn fn() {}')));
  assert.match(error, /^MemgradError: webgpu: a kernel does not run on this GPU .*'wasm'/);
  assert.match(await said(wrong.device.read(ten(wrong.device))), /does not run on this GPU/);

  const lost = await open();
  const reading = said(lost.device.read(ten(lost.device)));
  lost.gpu.destroy();
  assert.match(await reading, /^MemgradError: webgpu: .* took the GPU away .* 'wasm'\.$/);

  for (const shared of [false, true]) {
    const closing = await open({ shared });
    const waiting = said(closing.device.read(ten(closing.device)));
    closing.device.close();
    assert.match(await waiting, /^MemgradError: webgpu: this backend was closed, .*again\.$/);
  }
});

test("closing leaves an app's own device open", async () => {
  const { device, gpu, errors } = await open({ shared: true });
  const x = device.upload(floats(1, 2));
  assert.equal(await device.read(x), floats(1, 2));
  device.close();
  assert.match(await said(device.read(x)), /this backend was closed/);
  const other = new WebGPUDevice(gpu);
  assert.equal(await other.read(other.upload(floats(3))), floats(3));
  assert.equal(errors, []);
  other.close();
});

test('sizes are multiples of 16 with at most an eighth unused', () => {
  const classes = new Set<number>();
  for (let bytes = 1; bytes < 2 ** 20; bytes += 12) {
    const size = sizeClass(bytes);
    assert.ok(size >= bytes && size % 16 === 0, `${bytes}: ${size}`);
    assert.ok(size <= Math.max(bytes + 15, bytes * 1.125), `${bytes}: ${size}`);
    assert.is(sizeClass(size), size);
    classes.add(size);
  }
  assert.ok(classes.size < 120, `${classes.size} sizes`);
});

test('workgroups over the limit of one axis are folded', () => {
  assert.equal(spread(65535), [65535, 1]);
  const [x, y] = spread(100_000);
  assert.ok(x <= 65535 && x * y >= 100_000 && x * y < 100_002);
});

test('a module declares bindings and numbers, and the functions that are called', () => {
  const text = moduleOf({
    inputs: ['a: vec4f', 'b: i32'],
    outputs: ['out: f32'],
    ints: ['n'],
    floats: ['x'],
    text: 'fn main() { out[0] = exponential(p.x); }',
  });
  assert.match(text, '@group(0) @binding(0) var<storage, read> a: array<vec4f>;');
  assert.match(text, '@group(0) @binding(2) var<storage, read_write> out: array<f32>;');
  assert.match(text, 'struct Params { a_at: i32, b_at: i32, out_at: i32, n: i32, x: f32 }');
  assert.match(text, '@group(0) @binding(3) var<uniform> p: Params;');
  assert.ok(text.includes('fn is_nan(') && text.includes('fn scaled('));
  assert.not.match(text, 'fn logarithm(');
});

test.run();
