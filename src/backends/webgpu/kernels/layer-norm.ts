/** Layer normalisation, with and without weight and bias. */
import type { Kernels } from '../../backend.js';
import type { WebGPUDevice } from '../device.js';
import { normalise, normaliseGradient } from './norm-rows.js';

export function layerNormKernels(
  device: WebGPUDevice,
): Pick<Kernels, 'layerNorm' | 'layerNormGradient' | 'normalize' | 'normalizeGradient'> {
  const centred = true;
  return {
    layerNorm: ([x, weight, bias], [epsilon, rows, width]) =>
      normalise(device, { centred, x, weight, bias, epsilon, rows, width }),
    layerNormGradient: ([x, weight, g], [epsilon, rows, width]) =>
      normaliseGradient(device, { centred, x, weight, epsilon, rows, width }, g),
    normalize: ([x], [epsilon, rows, width]) =>
      normalise(device, { centred, x, epsilon, rows, width }),
    normalizeGradient: ([x, g], [epsilon, rows, width]) =>
      normaliseGradient(device, { centred, x, epsilon, rows, width }, g),
  };
}
