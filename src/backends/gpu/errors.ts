/** What both GPU backends say when they fail. */
import { MemgradError, OutOfMemory } from '../../errors.js';

/** Returns the error for a tensor that is larger than a texture or buffer can be. */
export function tooLarge(name: string, values: number, most: number): OutOfMemory {
  const millions = (count: number) => `${(count / 1e6).toFixed(1)} million`;
  return new OutOfMemory(
    `${name}: a tensor of ${millions(values)} values exceeds the ${millions(most)} values that one texture or buffer of this GPU holds; use smaller batches, or the backend 'wasm'.`,
  );
}

/** Returns the error for a device that is out of memory. */
export function full(name: string): OutOfMemory {
  return new OutOfMemory(
    `${name}: the memory of the GPU is used up, and results since then are lost; use smaller batches or a smaller model, or the backend 'wasm'.`,
  );
}

/** Returns the error for a backend that was closed. */
export function closed(name: string): MemgradError {
  return new MemgradError(
    `${name}: this backend was closed, and the values on it are gone; load it again.`,
  );
}
