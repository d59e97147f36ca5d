/**
 * Times products on `webgpu` in tiles of a given shape: node tiles.mjs [option of Dawn ...], after
 * bundling, since it calls the kernel itself, which no entry point exports.
 */
import { WebGPUDevice } from '../../src/backends/webgpu/device.ts';
import { matmul, planOf } from '../../src/backends/webgpu/kernels/matmul.ts';
import { tileBytes } from '../../src/backends/webgpu/kernels/matmul-tile.ts';
import { deviceOn, useDawn } from '../lib/dawn.mjs';
import { serve } from '../lib/serve.mjs';

const device = new WebGPUDevice(await deviceOn(useDawn(process.argv.slice(2))));

await serve({
  /**
   * Times one product: best of `rounds`, each of `repeats` launches; in `plan`, or in memgrad's own.
   * Returns no time where the device has too little memory for the tile.
   */
  async multiply({ spec, plan, repeats, rounds }) {
    const storage = device.limits.maxComputeWorkgroupStorageSize;
    const chosen = plan ?? planOf(spec, storage);
    if (tileBytes(chosen.tile) > storage) return {};
    const { m, n, k } = spec;
    const [a, b] = [m * k, k * n].map((size) =>
      device.upload(
        Float32Array.from({ length: size }, (_, i) => ((i * 7919) % 1024) / 1024 - 0.5),
      ),
    );
    const times = [];
    for (let round = 0; round <= rounds; round++) {
      const started = performance.now();
      let product = matmul(device, a, b, spec, {}, chosen);
      for (let i = 1; round > 0 && i < repeats; i++) {
        device.free(product);
        product = matmul(device, a, b, spec, {}, chosen);
      }
      const first = device.part(product, 0, 1);
      device.free(product);
      await device.read(first);
      device.free(first);
      if (round > 0) times.push((performance.now() - started) / repeats); // the first compiles
    }
    for (const buffer of [a, b]) device.free(buffer);
    return { plan: chosen, ms: Math.min(...times) };
  },
});
