/** The fused kernels of the WebGPU backend. Operations without one run their definition. */
import type { Kernels } from '../backend.js';
import type { WebGPUDevice } from './device.js';
import { adamKernels } from './kernels/adam.js';
import { attentionKernels } from './kernels/attention.js';
import { clipKernels } from './kernels/clip.js';
import { crossEntropyKernels } from './kernels/cross-entropy.js';
import { elementKernels } from './kernels/elements.js';
import { layerNormKernels } from './kernels/layer-norm.js';
import { linearKernels } from './kernels/linear.js';
import { normKernels } from './kernels/norm.js';
import { rmsNormKernels } from './kernels/rms-norm.js';
import { softmaxKernels } from './kernels/softmax.js';

export function fusedKernels(device: WebGPUDevice): Partial<Kernels> {
  return {
    ...adamKernels(device),
    ...attentionKernels(device),
    ...clipKernels(device),
    ...crossEntropyKernels(device),
    ...elementKernels(device),
    ...layerNormKernels(device),
    ...linearKernels(device),
    ...normKernels(device),
    ...rmsNormKernels(device),
    ...softmaxKernels(device),
  };
}
