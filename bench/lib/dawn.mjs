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
