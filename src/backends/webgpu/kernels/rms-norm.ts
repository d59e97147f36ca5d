/** Root mean square normalisation. */
import type { Kernels } from '../../backend.js';
import type { WebGPUDevice } from '../device.js';
import { normalise, normaliseGradient } from './norm-rows.js';

export function rmsNormKernels(device: WebGPUDevice): Pick<Kernels, 'rmsNorm' | 'rmsNormGradient'> {
  const centred = false;
  return {
    rmsNorm: ([x, weight], [epsilon, rows, width]) =>
      normalise(device, { centred, x, weight, epsilon, rows, width }),
    rmsNormGradient: ([x, weight, g], [epsilon, rows, width]) =>
      normaliseGradient(device, { centred, x, weight, epsilon, rows, width }, g),
  };
}
