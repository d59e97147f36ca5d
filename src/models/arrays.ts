/** Tensors read back from their backend: what files and other processes hold. */
import { Tensor } from '../autograd/index.js';
import type { DType, TypedArray } from '../backends/backend.js';
import { requireThat } from '../options.js';

/** The values of one tensor, row-major; safetensors files take it as it is. */
export interface HostArray {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: TypedArray;
}

/** Reads tensors back, by their names. */
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
