/** What the tests of the GPU backends do on a page. */
import {
  add,
  type Backend,
  backends,
  exp,
  type GpuBackend,
  loadBackend,
  memoryReport,
  mul,
  ones,
  scope,
  type Tensor,
  tensor,
  zeros,
} from '../../src/index.js';
import { createModel, presets } from '../../src/models/index.js';
import { Copy } from '../../src/tasks/index.js';
import { type ConformanceRow, runConformance } from '../../src/testing/index.js';
import { AdamW, train } from '../../src/training/index.js';

export function conformance(name: string): Promise<ConformanceRow[]> {
  return loadBackend(name).then((backend) => runConformance(backend));
}

/** One training run: mean accuracy of the last ten steps, and what was on the GPU after 20 steps and at the end. */
export async function training({ name, steps }: { name: string; steps: number }) {
  const backend = (await loadBackend(name)) as Backend & Partial<GpuBackend>;
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
  const counts: unknown[] = [];
  const optimizer = new AdamW({ learningRate: 1e-2 });
  const options = { model, task, optimizer, segmentLength: 3, steps, batchSize: 32, clip: 1 };
  for await (const { step, loss, accuracy } of train({ ...options, seed: 2, backend })) {
    losses.push(loss);
    accuracies.push(accuracy);
    if (step === 20 || step === steps) {
      counts.push({ ...backend.counts?.(), tensors: memoryReport().buffers });
    }
  }
  const last = accuracies.slice(-10);
  return { losses, accuracy: last.reduce((sum, value) => sum + value) / last.length, counts };
}

/** Ways in which a GPU fails, each of which has to end in an error and not in a wait. */
export const faults = {
  /** The browser takes the context or the device away while values are on it. */
  async lost(name: string) {
    const contexts = captured();
    const backend = await loadBackend(name);
    const x = exp(tensor([1, 2, 3], { backend }));
    await contexts.lose();
    const read = await said(() => x.data());
    const after = await said(() => exp(x).data());
    const again = await loadBackend(name);
    return { read, after, again: await exp(tensor([0], { backend: again })).array() };
  },
  /** The driver refuses a kernel. */
  async compile(name: string) {
    const backend = await loadBackend(name);
    const x = tensor([1, 2, 3], { backend });
    const { shaderSource } = WebGL2RenderingContext.prototype;
    WebGL2RenderingContext.prototype.shaderSource = function (shader, source) {
      shaderSource.call(this, shader, source.replace('compute(int t)', 'compute(int int)'));
    };
    const prototype = globalThis.GPUDevice?.prototype;
    const createShaderModule = prototype?.createShaderModule;
    if (prototype) {
      prototype.createShaderModule = function (descriptor) {
        const code = descriptor.code.replace('fn compute(', 'fn fn(');
        return createShaderModule.call(this, { ...descriptor, code });
      };
    }
    try {
      return await said(() => exp(x).data());
    } finally {
      WebGL2RenderingContext.prototype.shaderSource = shaderSource;
      if (prototype) prototype.createShaderModule = createShaderModule;
    }
  },
  /** A tensor is larger than a texture or a buffer may be. What there was before stays. */
  async large(name: string) {
    const backend = await loadBackend(name);
    const x = tensor([1, 2], { backend });
    const error = await said(() => zeros([2 ** 20, 2 ** 12], { backend }).data());
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
    answers.push(await said(() => loadBackend(name)));
    prototype.getExtension = getExtension;
    prototype.getShaderPrecisionFormat = () =>
      ({ precision: 10, rangeMin: 15, rangeMax: 15 }) as WebGLShaderPrecisionFormat;
    answers.push(await said(() => loadBackend(name)));
    prototype.getShaderPrecisionFormat = getShaderPrecisionFormat;
    prototype.uniform1f = function (at, value) {
      uniform1f.call(this, at, Math.round(value * 1024) / 1024);
    };
    answers.push(await said(() => loadBackend(name)));
    prototype.uniform1f = uniform1f;
    return answers;
  },
};

/** Results are kept apart although kernels and textures are used again, also where a kernel reads its own last result. */
export async function reuse(name: string) {
  const backend = await loadBackend(name);
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

export { backends };

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
