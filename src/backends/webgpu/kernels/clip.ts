/** The factor that clips gradients. */
import type { Kernels } from '../../backend.js';
import type { WebGPUDevice } from '../device.js';

export function clipKernels(device: WebGPUDevice): Pick<Kernels, 'clipFactor'> {
  return {
    clipFactor: ([numbers], [layers, clip]) =>
      device.run({
        key: `clip ${Number.isFinite(clip)}`,
        make: () => ({
          inputs: ['numbers: f32'],
          outputs: ['out: f32'],
          ints: ['layers'],
          floats: ['clip'],
          // Divided by the largest norm, no square overflows. There are too few for a workgroup.
          text: `@compute @workgroup_size(1)
fn main() {
  let loss = numbers[p.numbers_at];
  var largest = 0.0;
  for (var i = 1; i <= p.layers; i++) { largest = larger(largest, numbers[p.numbers_at + i]); }
  out[p.out_at] = not_a_number();
  if (!is_finite(loss) || !is_finite(largest)) { return; }
  let unit = select(largest, 1.0, is_zero(largest));
  var sum = 0.0;
  for (var i = 1; i <= p.layers; i++) {
    let ratio = numbers[p.numbers_at + i] / unit;
    sum += ratio * ratio;
  }
  let norm = sqrt(sum) * unit;
  if (!is_finite(norm)) { return; }
  let factor = ${Number.isFinite(clip) ? 'p.clip / (norm + 1e-6)' : '1.0'};
  out[p.out_at] = select(1.0, factor, factor < 1.0 && !is_nan(factor));
}`,
        }),
        inputs: [numbers],
        results: [{ dtype: 'float32', size: 1 }],
        ints: [layers],
        floats: [Number.isFinite(clip) ? clip : 0],
        groups: [1],
      }),
  };
}
