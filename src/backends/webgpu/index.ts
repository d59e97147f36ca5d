/**
 * The backend `webgpu`: finds WebGPU in a browser, or in Node through the package `webgpu`.
 *
 * @module memgrad/backends/webgpu
 */
import { describe, MemgradError } from '../../errors.js';
import { WebGPUBackend } from './backend.js';
import { WebGPUDevice } from './device.js';

export type { WebGPUBackend } from './backend.js';

/** The limits of the adapter of which the kernels make use. */
const limits = [
  'maxStorageBufferBindingSize',
  'maxBufferSize',
  'maxStorageBuffersPerShaderStage',
  'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupSizeX',
] as const;

/**
 * Loads the backend `webgpu` on the GPU of this machine, or on `device`, an app's own GPUDevice,
 * which `close` leaves open. The backend takes every uncaptured error of the device for its own.
 * Throws `MemgradError` where WebGPU or, in Node, the package `webgpu` is missing.
 */
export async function loadWebGPU(device?: object): Promise<WebGPUBackend> {
  if (device !== undefined) {
    const own = device as GPUDevice;
    if (typeof own?.createComputePipeline !== 'function') {
      throw new MemgradError(
        `webgpu: expected a GPUDevice, got ${describe(device)}; pass the one that adapter.requestDevice() returns, or none.`,
      );
    }
    return new WebGPUBackend(new WebGPUDevice(own, { shared: true }));
  }
  const gpu = globalThis.navigator?.gpu ?? (await dawn());
  const adapter = await gpu
    .requestAdapter({ powerPreference: 'high-performance' })
    .catch((cause) => Promise.reject(refused(cause)));
  if (!adapter) throw refused();
  const requiredLimits = Object.fromEntries(limits.map((name) => [name, adapter.limits[name]]));
  const made = await adapter
    .requestDevice({ requiredLimits })
    .catch((cause) => Promise.reject(refused(cause)));
  return new WebGPUBackend(new WebGPUDevice(made));
}

/** Node's WebGPU. Its devices don't survive it, so it is kept. */
let inNode: GPU | undefined;

async function dawn(): Promise<GPU> {
  if (!isNode()) {
    throw new MemgradError(
      "webgpu: there is no WebGPU here (navigator.gpu is missing), which needs a recent browser and a page served over https or from localhost; use the backend 'wasm', which runs everywhere.",
    );
  }
  if (inNode) return inNode;
  // If bundlers saw the name of this optional peer, they would copy it into every app.
  const name = ['web', 'gpu'].join('');
  const found: { create(options: string[]): GPU } = await import(
    /* webpackIgnore: true */ /* @vite-ignore */ name
  ).catch((cause) => {
    const missing = cause?.code === 'ERR_MODULE_NOT_FOUND';
    const [why] = String(cause?.message ?? cause).split('\n');
    throw new MemgradError(
      `webgpu: Node has WebGPU through the package webgpu, which ${missing ? 'is missing' : `does not load (${why})`}; install it (npm install webgpu), or use the backend 'wasm', which runs everywhere.`,
      { cause },
    );
  });
  inNode = found.create([]);
  const adapter = await inNode.requestAdapter().catch(() => null);
  // It compiles kernels that clear their memory by themselves ten times as fast.
  if (/swiftshader/i.test(adapter?.info.description ?? '')) {
    const own = 'use_vulkan_zero_initialize_workgroup_memory_extension';
    inNode = found.create([`disable-dawn-features=${own}`]);
  }
  return inNode;
}

function isNode(): boolean {
  return typeof globalThis.process === 'object' && Boolean(process.versions?.node);
}

/** Returns the error for a machine with WebGPU that provides no GPU. */
function refused(cause?: unknown): MemgradError {
  const [why] = String(cause ?? '').split('\n');
  const reason = why && ` (${why})`;
  return new MemgradError(
    isNode()
      ? `webgpu: the package webgpu provides no GPU${reason}, which needs a driver for Vulkan, Metal or Direct3D 12, and on Linux the Vulkan loader (libvulkan1); use the backend 'wasm'.`
      : `webgpu: this browser provides no GPU${reason}; use the backend 'webgl' or 'wasm'.`,
    { cause },
  );
}
