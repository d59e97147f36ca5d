/**
 * The backend `webgl`: finds WebGL2 and gpu.js, and refuses GPUs that compute inaccurately.
 *
 * @module memgrad/backends/webgl
 */
import { MemgradError } from '../../errors.js';
import { WebGLBackend } from './backend.js';
import type { GpuJs } from './gpujs.js';
import { WebGLDevice } from './webgl.js';

export type { WebGLBackend } from './backend.js';

/**
 * Loads the backend `webgl`, which runs on `gpu`, the package gpu.js. Throws `MemgradError` where
 * WebGL2 or gpu.js is missing, or where the GPU doesn't compute in float32.
 */
export async function loadWebGL(gpu?: object): Promise<WebGLBackend> {
  if (typeof document === 'undefined' && typeof OffscreenCanvas === 'undefined') {
    throw new MemgradError(
      "webgl: there is no WebGL here, since only browsers have it; use the backend 'wasm', which runs everywhere.",
    );
  }
  return ready(new WebGLDevice(await importGpuJs(gpu)));
}

/**
 * If bundlers saw the name of this optional peer, they would copy it into every app, or warn about
 * its absence. So bundled apps pass the package, and only the browser itself resolves the name.
 */
async function importGpuJs(given?: object): Promise<GpuJs> {
  let cause: unknown;
  const name = ['gpu', 'js'].join('.');
  const module: Partial<GpuJs> & { default?: Partial<GpuJs> } =
    given ??
    (await import(/* webpackIgnore: true */ /* @vite-ignore */ name).catch((error) => {
      cause = error;
      return {};
    }));
  const { GPU, Texture } = module.default ?? module;
  if (GPU && Texture) return { GPU, Texture };
  throw new MemgradError(
    "webgl: the package gpu.js is missing, on which this backend runs; install it (npm install gpu.js) and pass it, loadBackend('webgl', { gpu: await import('gpu.js') }), or use the backend 'wasm'.",
    { cause },
  );
}

/** Numbers that 16 or 24 bits can't represent. */
const probe = [1 + 2 ** -22, 1e30, 1e-30, 16777213];

/** Returns a backend on `device`. Throws if the GPU computes with less than float32. */
async function ready(device: WebGLDevice): Promise<WebGLBackend> {
  const make = () => ({
    text: `fn compute(t: i32) -> vec4f {
  return vec4f(number0 + 1.1920928955078125e-7, number1 * 2.0, number2 * 2.0, number3 + 2.0);
}`,
    inputs: 0,
    numbers: 4,
    outputs: 1,
  });
  const [block] = device.run('probe', make, [], 1, probe);
  const received = await device.read(block);
  device.free(block);
  const [a, b, c, d] = probe.map(Math.fround);
  const expected = Float32Array.of(a + 2 ** -23, b * 2, c * 2, d + 2);
  if (expected.some((value, i) => value !== received[i])) {
    device.close();
    throw new MemgradError(
      `${device.name}: this GPU computes with less than float32 (got ${received.slice(0, 4)}, expected ${expected}), so training would fail; use the backend 'wasm'.`,
    );
  }
  return new WebGLBackend(device);
}
