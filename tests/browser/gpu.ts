/** What the tests of the GPU backends do on a page, or in Node. */
import type { DeviceBuffer, Kernel, Kernels } from '../../src/backends/backend.js';
import { WebGLBackend } from '../../src/backends/webgl/backend.js';
import { WebGLDevice } from '../../src/backends/webgl/webgl.js';
import { WebGPUBackend } from '../../src/backends/webgpu/backend.js';
import { WebGPUDevice } from '../../src/backends/webgpu/device.js';
import {
  add,
  type Backend,
  type BackendName,
  backends,
  cast,
  cos,
  div,
  exp,
  loadBackend,
  mean,
  memoryReport,
  mul,
  ones,
  Parameter,
  pow,
  reshape,
  scope,
  sin,
  square,
  sub,
  sum,
  type Tensor,
  type TypedArray,
  tensor,
  zeros,
} from '../../src/index.js';
import { createModel, presets } from '../../src/models/index.js';
import { Copy } from '../../src/tasks/index.js';
import {
  type ConformanceOptions,
  type ConformanceRow,
  checkEdges,
  checkPrograms,
  checkSizes,
  type EdgeRow,
  type ProgramOptions,
  type ProgramReport,
  runConformance,
  type SizeOptions,
  type SizeReport,
} from '../../src/testing/index.js';
import { AdamW, fit, SGD, train } from '../../src/training/index.js';

/** A new backend called `name`. `webgl` gets the gpu.js of this bundle, as in any bundled app. */
async function load(name: string): Promise<Backend> {
  return loadBackend(name as BackendName, name === 'webgl' ? { gpu: await import('gpu.js') } : {});
}

const backendsInUse = new Map<string, Promise<Backend>>();

/** The one backend called `name` that this page or process keeps, with its compiled kernels. */
function kept(name: string): Promise<Backend> {
  const backend = backendsInUse.get(name) ?? (name === 'webgpu' ? loadOnDevice() : load(name));
  backendsInUse.set(name, backend);
  return backend;
}

/** The device of `kept('webgpu')`. */
let keptDevice: GPUDevice | undefined;

async function loadOnDevice(): Promise<Backend> {
  const { prototype } = GPUAdapter;
  const { requestDevice } = prototype;
  prototype.requestDevice = async function (...args) {
    keptDevice = await requestDevice.apply(this, args);
    return keptDevice;
  };
  try {
    return await load('webgpu');
  } finally {
    prototype.requestDevice = requestDevice;
  }
}

export async function conformance({
  name,
  ...options
}: On<ConformanceOptions>): Promise<ConformanceRow[]> {
  return runConformance(await kept(name), options);
}

/** The rules of docs/numbers.md, as they hold on a GPU. */
export async function rules(name: string): Promise<EdgeRow[]> {
  return checkEdges(await kept(name), { flushesDenormals: true });
}

export async function programs({ name, ...options }: On<ProgramOptions>): Promise<ProgramReport> {
  return checkPrograms(await kept(name), { ...options, flushesDenormals: true });
}

export async function sizes({ name, ...options }: On<SizeOptions>): Promise<SizeReport> {
  return checkSizes(await kept(name), { ...options, seesIndices: false });
}

type On<T> = T & { name: string };

/** Operations that are compared at the edges of their domains. */
const compared = {
  sin: (x: Tensor) => sin(x),
  cos: (x: Tensor) => cos(x),
  sum: (x: Tensor) => sum(x),
  columns: (x: Tensor) => sum(reshape(x, [x.size / 4, 4]), 0),
  cast: (x: Tensor) => cast(x, 'int32'),
  pow,
  add,
  sub,
  mul,
  div,
};
export type Edge = keyof typeof compared;

/** Computes each operation of its inputs. */
export async function values({ name, calls }: EdgeRequest): Promise<TypedArray[]> {
  const backend = await kept(name);
  return Promise.all(
    calls.map(({ operation, inputs }) => {
      const [x, y] = inputs.map((each) => tensor(each, { backend }));
      return compared[operation](x, y).data();
    }),
  );
}

export interface EdgeRequest {
  name: string;
  calls: { operation: Edge; inputs: (Float32Array | Int32Array)[] }[];
}

/** A call of a fused kernel. */
export interface KernelCall {
  kernel: keyof Kernels;
  inputs: (TypedArray | undefined)[];
  /** The inputs of wasm, where they are others. */
  clean?: (TypedArray | undefined)[];
  numbers: number[];
  /** The size of each result. */
  sizes: number[];
}

/** The results of fused kernels of the backend `name`, and those of wasm. */
export async function fusedKernels({
  name,
  calls,
}: {
  name: string;
  calls: KernelCall[];
}): Promise<{ own: TypedArray[]; expected: TypedArray[] }[]> {
  const two = [await kept(name), await kept('wasm')];
  const results = [];
  for (const { kernel, inputs, clean = inputs, numbers, sizes } of calls) {
    const [own, expected] = two.map((backend, i) => {
      const run = backend.kernels?.[kernel] as Kernel<(DeviceBuffer | undefined)[], number[]>;
      const shapes = sizes.map((size) => ({ shape: [size], dtype: 'float32' as const }));
      const buffers = run(
        [inputs, clean][i].map((x) => x && backend.upload(x)),
        numbers,
        shapes,
      );
      return Promise.all((buffers as DeviceBuffer[]).map((buffer) => backend.read(buffer)));
    });
    results.push({ own: await own, expected: await expected });
  }
  return results;
}

/** The work of each of the first steps of a model of four layers, as the backend counts it. */
export async function countedSteps({ name, steps }: { name: string; steps: number }) {
  const backend = (await kept(name)) as WebGPUBackend;
  const task = new Copy({ length: 24, symbols: 10, copies: 2 });
  const sizes = { nLayer: 4, nHead: 4, dModel: 32, dHead: 8, dInner: 64, numMemTokens: 5 };
  const config = { ...presets.fast, ...sizes, nToken: task.vocabulary, memLen: 1, backend };
  const model = createModel('rmt', config, 0);
  const optimizer = new AdamW();
  const options = { model, task, optimizer, segmentLength: 24, steps, batchSize: 1, clip: 0.25 };
  const all: ReturnType<WebGPUBackend['counts']>[] = [];
  let before = backend.counts();
  for await (const _ of train({ ...options, backend })) {
    const now = backend.counts();
    const { dispatches, submits, reads } = before;
    all.push({
      ...now,
      dispatches: now.dispatches - dispatches,
      submits: now.submits - submits,
      reads: now.reads - reads,
    });
    before = now;
  }
  for (const used of [model, optimizer]) used.dispose();
  return all;
}

/**
 * One training run: mean accuracy of the last ten steps, and what was on the GPU after 8 steps and
 * at the end. With `pooledBytes` it has a backend of its own, which keeps so much freed memory.
 */
export async function training({ name, steps, pooledBytes }: Training) {
  const live = countLive();
  const backend = await (pooledBytes ? smallBackend(name, pooledBytes, []) : kept(name));
  const task = new Copy({ length: 2, symbols: 8, copies: 1 });
  const model = createModel(
    'rmt',
    {
      ...presets.fast,
      nToken: task.vocabulary,
      nLayer: 1,
      nHead: 2,
      dModel: 32,
      dHead: 16,
      dInner: 64,
      memLen: 1,
      numMemTokens: 3,
      dropout: 0.01,
      backend,
    },
    1,
  );
  const losses: number[] = [];
  const accuracies: number[] = [];
  const counts: { live: number; tensors: number }[] = [];
  const optimizer = new AdamW({ learningRate: 1e-2 });
  const options = { model, task, optimizer, segmentLength: 3, steps, batchSize: 32, clip: 1 };
  for await (const { step, loss, accuracy } of train({ ...options, seed: 2, backend })) {
    losses.push(loss);
    accuracies.push(accuracy);
    if (step === 8 || step === steps) {
      counts.push({ live: live(), tensors: memoryReport().buffers });
    }
  }
  for (const used of [model, optimizer]) used.dispose();
  if (pooledBytes) backend.close?.();
  const last = accuracies.slice(-10);
  return { losses, accuracy: last.reduce((sum, value) => sum + value) / last.length, counts };
}

interface Training {
  name: string;
  steps: number;
  pooledBytes?: number;
}

/**
 * Trains an RMT on a backend that keeps only `bytes` bytes of freed memory, and on `reference`:
 * `copy` has heads, layers and memory as in the paper's copy task. Returns the losses of both, how
 * many buffers there were on the GPU after 5 steps and at the end, and the errors of the device.
 */
export async function smallPool(settings: SmallPool) {
  const { reference, steps, size } = settings;
  const segmentLength = size === 'copy' ? 24 : 6;
  const task = new Copy({ length: segmentLength, symbols: 10, copies: 2 });
  const wide = { nLayer: 4, nHead: 4, dModel: 128, dHead: 64, dInner: 256, numMemTokens: 24 };
  const narrow = { nLayer: 1, nHead: 2, dModel: 32, dHead: 16, dInner: 64, numMemTokens: 4 };
  const shape = size === 'copy' ? wide : narrow;
  const options = { task, segmentLength, steps, batchSize: 2, clip: 0.25, seed: 2 };
  const losses = async (backend: Backend, each: (step: number) => Promise<void>) => {
    const config = { ...presets.fast, ...shape, nToken: task.vocabulary, memLen: 1, backend };
    const model = createModel('rmt', config, 1);
    const optimizer = new AdamW({ learningRate: 1e-3 });
    const all: number[] = [];
    for await (const { step, loss } of train({ ...options, model, optimizer, backend })) {
      all.push(loss);
      await each(step);
    }
    return all;
  };
  const live = countLive();
  const errors: string[] = [];
  const backend = await smallBackend(settings.name, settings.bytes, errors);
  const counts: number[] = [];
  const came = await losses(backend, async (step) => {
    if (step !== 5 && step !== steps) return;
    await scope(() => zeros([1], { backend })).data(); // submits what waits
    counts.push(live());
  });
  const expected = await losses(await kept(reference), async () => {});
  backend.close();
  await new Promise((resolve) => setTimeout(resolve)); // for errors that come late
  return { losses: came, expected, counts, errors };
}

export interface SmallPool {
  name: string;
  reference: string;
  steps: number;
  size: 'copy' | 'narrow';
  bytes: number;
}

async function smallBackend(name: string, bytes: number, errors: string[]) {
  if (name === 'webgl') {
    const module = await import('gpu.js');
    return new WebGLBackend(new WebGLDevice((module.default ?? module) as never, bytes / 16));
  }
  // On this device Dawn has compiled most kernels before. webgpu-faults.test.ts trains with the
  // limits that every device has.
  await kept('webgpu');
  const device = keptDevice as GPUDevice;
  device.addEventListener('uncapturederror', ({ error }) => errors.push(error.message));
  return new WebGPUBackend(new WebGPUDevice(device, { pooledBytes: bytes, shared: true }));
}

/** From now on counts buffers and textures on the GPU: those made, less those destroyed. */
function countLive(): () => number {
  let live = 0;
  const count = (prototype: object | undefined, method: string, by: number) => {
    const own = prototype as Record<string, (...args: unknown[]) => unknown> | undefined;
    const call = own?.[method];
    if (!own || !call) return;
    own[method] = function (this: unknown, ...args) {
      live += by;
      return call.apply(this, args);
    };
  };
  count(globalThis.GPUDevice?.prototype, 'createBuffer', 1);
  count(globalThis.GPUBuffer?.prototype, 'destroy', -1);
  const gl = globalThis.WebGL2RenderingContext?.prototype;
  for (const what of ['Buffer', 'Texture']) {
    count(gl, `create${what}`, 1);
    count(gl, `delete${what}`, -1);
  }
  return () => live;
}

/**
 * Fits a number by 20 captured steps in a tab that behaves as in the background: it is hidden, has
 * a timer each second, and draws no frame. Returns the last loss and how many timers it waited for.
 */
export async function background(name: string): Promise<{ loss: number; timers: number }> {
  const backend = await kept(name);
  const page = globalThis as { setTimeout: unknown; requestAnimationFrame: unknown };
  const { setTimeout, requestAnimationFrame } = globalThis;
  let timers = 0;
  page.setTimeout = (call: () => void, delay = 0) => {
    timers++;
    return setTimeout(call, Math.max(delay, 1000));
  };
  page.requestAnimationFrame = () => 0;
  Object.defineProperty(document, 'hidden', { value: true, configurable: true });
  try {
    const w = new Parameter(tensor([1], { backend }));
    const fitted = fit({
      parameters: { w },
      loss: ({ x, y }) => mean(square(sub(mul(x, w), y))),
      batches: [{ x: tensor([1, 2], { backend }), y: tensor([3, 6], { backend }) }],
      optimizer: new SGD({ learningRate: 0.1 }),
      steps: 20,
      capture: true,
    });
    let last = Number.NaN;
    for await (const { loss } of fitted) last = loss;
    return { loss: last, timers };
  } finally {
    Object.assign(page, { setTimeout, requestAnimationFrame });
    Reflect.deleteProperty(document, 'hidden');
  }
}

/** Ways in which a GPU fails, each of which has to end in an error and not in a wait. */
export const faults = {
  /** The browser takes the context or the device away while values are on it. */
  async lost(name: string) {
    const contexts = captured();
    const backend = await load(name);
    const x = exp(tensor([1, 2, 3], { backend }));
    await contexts.lose();
    const read = await said(() => x.data());
    const after = await said(() => exp(x).data());
    const again = await load(name);
    return { read, after, again: await exp(tensor([0], { backend: again })).array() };
  },
  /** The driver refuses a kernel. */
  async compile(name: string) {
    const backend = await load(name);
    const x = tensor([1, 2, 3], { backend });
    const { shaderSource } = WebGL2RenderingContext.prototype;
    WebGL2RenderingContext.prototype.shaderSource = function (shader, source) {
      shaderSource.call(this, shader, source.replace('compute(int t)', 'compute(int int)'));
    };
    try {
      return await said(() => exp(x).data());
    } finally {
      WebGL2RenderingContext.prototype.shaderSource = shaderSource;
    }
  },
  /** A backend is closed while it computes and while a result is read. */
  async closed(name: string) {
    const backend = (await load(name)) as WebGLBackend | WebGPUBackend;
    const x = tensor([1, 2, 3], { backend });
    const reading = said(() => exp(x).data());
    const y = exp(x);
    backend.close();
    return [await reading, await said(() => y.data()), await said(() => exp(y).data())];
  },
  /** The browser has WebGPU, and refuses the adapter or its device. */
  async refused() {
    const { requestAdapter } = navigator.gpu;
    const answers: string[] = [];
    for (const adapter of [
      null,
      { limits: {}, requestDevice: () => Promise.reject('no device') },
    ]) {
      navigator.gpu.requestAdapter = () => Promise.resolve(adapter as GPUAdapter | null);
      answers.push(await said(() => load('webgpu')));
    }
    navigator.gpu.requestAdapter = requestAdapter;
    return answers;
  },
  /** A tensor is larger than a texture or a buffer may be. What there was before stays. */
  async large(name: string) {
    const backend = await load(name);
    const x = tensor([1, 2], { backend });
    const error = await said(() => zeros([2 ** 18, 2 ** 12], { backend }).data());
    return { error, before: await add(x, 1).array() };
  },
  /** A GPU that has no float32 targets, says that it computes with 10 bits, or does so unsaid. */
  async half(name: string) {
    const { prototype } = WebGL2RenderingContext;
    const { getExtension, getShaderPrecisionFormat, uniform1f } = prototype;
    const answers: string[] = [];
    prototype.getExtension = function (this: WebGL2RenderingContext, id: string) {
      return id === 'EXT_color_buffer_float'
        ? null
        : getExtension.call(this, id as 'WEBGL_multi_draw');
    } as typeof getExtension;
    answers.push(await said(() => load(name)));
    prototype.getExtension = getExtension;
    prototype.getShaderPrecisionFormat = () =>
      ({ precision: 10, rangeMin: 15, rangeMax: 15 }) as WebGLShaderPrecisionFormat;
    answers.push(await said(() => load(name)));
    prototype.getShaderPrecisionFormat = getShaderPrecisionFormat;
    prototype.uniform1f = function (at, value) {
      uniform1f.call(this, at, Math.round(value * 1024) / 1024);
    };
    answers.push(await said(() => load(name)));
    prototype.uniform1f = uniform1f;
    return answers;
  },
};

/** Results are kept apart although kernels and textures are used again, also where a kernel reads its own last result. */
export async function reuse(name: string) {
  const backend = await kept(name);
  const powers: Tensor[] = [ones([5], { backend })];
  for (let i = 0; i < 20; i++) powers.push(mul(powers[i], 2));
  const last = scope(() => {
    let x = powers[0];
    for (let i = 0; i < 50; i++) x = add(x, 1);
    return x;
  });
  return {
    powers: await Promise.all(powers.map(async (x) => (await x.data())[4])),
    last: (await last.data())[0],
  };
}

export async function available() {
  return backends({ gpu: await import('gpu.js') });
}

async function said(run: () => unknown): Promise<string> {
  try {
    await run();
    return 'no error';
  } catch (error) {
    return String(error);
  }
}

/** Remembers contexts and devices that are made from now on. */
function captured() {
  const contexts: WebGL2RenderingContext[] = [];
  const devices: GPUDevice[] = [];
  const { prototype } = HTMLCanvasElement;
  const getContext = prototype.getContext;
  prototype.getContext = function (this: HTMLCanvasElement, ...args: [string]) {
    const context = getContext.apply(this, args);
    if (args[0] === 'webgl2') contexts.push(context as WebGL2RenderingContext);
    return context;
  } as typeof getContext;
  const adapter = globalThis.GPUAdapter?.prototype;
  const requestDevice = adapter?.requestDevice;
  if (adapter) {
    adapter.requestDevice = async function (...args) {
      const device = await requestDevice.apply(this, args);
      devices.push(device);
      return device;
    };
  }
  return {
    async lose() {
      prototype.getContext = getContext;
      if (adapter) adapter.requestDevice = requestDevice;
      for (const context of contexts) context.getExtension('WEBGL_lose_context')?.loseContext();
      for (const device of devices) device.destroy();
      await new Promise((resolve) => setTimeout(resolve, 50));
    },
  };
}
