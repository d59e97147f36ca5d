/** Compiles the kernels. */
import { MemgradError } from '../../errors.js';
import bytes from './kernels.wasm';

/** Compiles the kernels synchronously. Throws `MemgradError` where the engine can't. */
export function compile(): WebAssembly.Module {
  try {
    return new WebAssembly.Module(bytes);
  } catch (cause) {
    throw new MemgradError(
      `wasm: this engine cannot compile the kernels (${cause}), which need WebAssembly with SIMD; use a newer one, or setDefaultBackend(await loadBackend('cpu')).`,
      { cause },
    );
  }
}
