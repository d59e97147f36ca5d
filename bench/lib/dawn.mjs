/** WebGPU in Node: Dawn, from the package `webgpu`. */
import { create, globals } from 'webgpu';

/**
 * Makes Dawn the `navigator.gpu` of this process, for memgrad as for the other engines, and returns
 * it. `options` are Dawn's own.
 */
export function useDawn(options) {
  Object.assign(globalThis, globals);
  const gpu = create(options);
  Object.defineProperty(globalThis, 'navigator', {
    value: { gpu, userAgent: 'node', hardwareConcurrency: 1 },
    configurable: true,
  });
  return gpu;
}

/** Returns a device on the fastest adapter of `gpu`, with all of its limits that kernels use. */
export async function deviceOn(gpu, requiredFeatures = []) {
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
  const missing = requiredFeatures.find((name) => !adapter.features.has(name));
  if (missing) throw new Error(`gpu: this adapter has no ${missing}.`);
  const requiredLimits = {};
  for (const name in adapter.limits) {
    if (/^max(Storage|Buffer|Compute)/.test(name)) requiredLimits[name] = adapter.limits[name];
  }
  return adapter.requestDevice({ requiredFeatures, requiredLimits });
}
