/** Random numbers: Threefry-2x32 (../../threefry.ts). */
import type { RandomWords } from '../../backend.js';
import type { GpuBuffer, WebGPUDevice } from '../device.js';
import { eachQuad, quadGroups } from './views.js';

const ROTATIONS = [13, 15, 26, 6, 17, 29, 16, 24];

/**
 * `fn units(t: i32) -> vec4f`: the numbers 4t to 4t + 3, of two counters, from the key in `p.hi` and
 * `p.lo`.
 */
export const unitsText = `fn rotated(x: vec2u, by: u32) -> vec2u { return (x << vec2u(by)) | (x >> vec2u(32u - by)); }
fn units(t: i32) -> vec4f {
  let k0 = u32(p.hi);
  let k1 = u32(p.lo);
  let k2 = k0 ^ k1 ^ 0x1bd11bdau;
  var x = vec2u(u32(2 * t), u32(2 * t + 1)) + k0;
  var y = vec2u(k1);
${Array.from({ length: 20 }, (_, round) => {
  const injection = (round + 1) / 4;
  const inject =
    round % 4 === 3 ? ` x += k${injection % 3}; y += k${(injection + 1) % 3} + ${injection}u;` : '';
  return `  x += y; y = rotated(y, ${ROTATIONS[round % 8]}u) ^ x;${inject}`;
}).join('\n')}
  return vec4f(vec4u(x.x, y.x, x.y, y.y) >> vec4u(8u)) * 5.9604644775390625e-8;
}
`;

export function uniform(device: WebGPUDevice, { hi, lo }: RandomWords, size: number): GpuBuffer {
  const [out] = device.run({
    key: 'uniform',
    make: () => ({
      inputs: [],
      outputs: ['out: vec4f'],
      ints: ['quads', 'hi', 'lo'],
      text: `${unitsText}${eachQuad}  out[p.out_at + t] = units(t);\n}`,
    }),
    inputs: [],
    results: [{ dtype: 'float32', size }],
    ints: [Math.ceil(size / 4), hi, lo],
    groups: quadGroups(size),
  });
  return out;
}
