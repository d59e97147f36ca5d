/** Random numbers: Threefry-2x32 (../../threefry.ts). */
import type { RandomWords } from '../../backend.js';
import type { WebGPUDevice } from '../device.js';
import type { GpuBuffer } from '../memory.js';
import { threefryText } from './threefry.js';
import { eachQuad, quadGroups } from './views.js';

/** float32 numbers in [0, 1). */
export function uniform(device: WebGPUDevice, { hi, lo }: RandomWords, size: number): GpuBuffer {
  const [out] = device.run({
    key: 'uniform',
    make: () => ({
      inputs: [],
      outputs: ['out: vec4f'],
      ints: ['quads', 'hi', 'lo'],
      text: `${threefryText}${eachQuad}  out[p.out_at + t] = units(t, p.hi, p.lo);\n}`,
    }),
    inputs: [],
    results: [{ dtype: 'float32', size }],
    ints: [Math.ceil(size / 4), hi, lo],
    groups: quadGroups(size),
  });
  return out;
}
