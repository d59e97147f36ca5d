/** The compiled kernels, for a memory of one's own or a shared one. */
import { MemgradError } from '../../errors.js';
import bytes from './kernels.wasm';

/** Compiles the kernels here and now; with `shared` for a memory that threads share. Throws `MemgradError` where the engine cannot. */
export function compile(shared: boolean): WebAssembly.Module {
  try {
    return new WebAssembly.Module(shared ? forSharedMemory(bytes) : bytes);
  } catch (cause) {
    throw new MemgradError(
      `wasm: this engine cannot compile the kernels (${cause}), which need WebAssembly with SIMD; use a newer one, or setDefaultBackend(await loadBackend('cpu')).`,
      { cause },
    );
  }
}

/**
 * The same code, importing a shared memory: the import says so in the bits that follow its name
 * (WebAssembly core specification, 5.3.9): 02 for a memory, 01 for one with a limit, 03 for a shared one.
 */
function forSharedMemory(module: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const name = [...'\x06memory'].map((character) => character.charCodeAt(0));
  const at = module.findIndex((_, i) => [...name, 2, 1].every((byte, j) => module[i + j] === byte));
  if (at < 0) throw new Error('the import of the memory is not where it was expected');
  const changed = module.slice();
  changed[at + name.length + 1] = 3;
  return changed;
}
