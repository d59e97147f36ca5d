/** Compiles the kernels, for a private memory or a shared one. */
import { MemgradError } from '../../errors.js';
import bytes from './kernels.wasm';

/**
 * Compiles the kernels synchronously; `shared`: for a memory that threads share. Throws
 * `MemgradError` where the engine can't.
 */
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
 * The same code, importing a shared memory. Two bytes after the name of the import declare it
 * (WebAssembly core specification, 5.3.9): 02 for a memory, then 01 if it has a maximum, or 03 if
 * it is shared, too.
 */
function forSharedMemory(module: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const name = [...'\x06memory'].map((character) => character.charCodeAt(0));
  const at = module.findIndex((_, i) => [...name, 2, 1].every((byte, j) => module[i + j] === byte));
  if (at < 0) throw new Error('the kernels do not import a memory with a maximum');
  const changed = module.slice();
  changed[at + name.length + 1] = 3;
  return changed;
}
