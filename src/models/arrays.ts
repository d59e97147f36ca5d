/** Tensors copied from their backend into host memory, for files and other processes. */
import { Tensor } from '../autograd/index.js';
import type { DType, TypedArray } from '../backends/backend.js';
import { requireThat } from '../options.js';

/** The values of one tensor, row-major. `encodeSafetensors` accepts it unchanged. */
export interface HostArray {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: TypedArray;
}

/**
 * Copies tensors to host memory, by name. Throws `MemgradError` unless `tensors` is a record of
 * tensors.
 */
export async function readArrays(
  tensors: Readonly<Record<string, Tensor>>,
): Promise<Record<string, HostArray>> {
  const areTensors =
    !(tensors instanceof Map) &&
    Object.values(tensors ?? { tensors }).every((x) => x instanceof Tensor);
  requireThat(areTensors, 'readArrays: tensors', 'a record of tensors', tensors);
  const arrays = Object.entries(tensors).map(async ([name, tensor]) => {
    const { dtype, shape } = tensor;
    return [name, { dtype, shape, data: await tensor.data() }] as const;
  });
  return Object.fromEntries(await Promise.all(arrays));
}
