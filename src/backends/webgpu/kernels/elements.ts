/** Fused kernels of elements: swiglu, rotary positions, dropout, and the gradient of relu. */
import type { DeviceBuffer, Kernels } from '../../backend.js';
import type { WebGPUDevice } from '../device.js';
import { spread } from '../launch.js';
import type { GpuBuffer } from '../memory.js';
import { each, forEach, GROUP, unitOf } from './common.js';
import { reluGradient } from './elementwise.js';
import { threefryText } from './threefry.js';

/** Runs `body` for each four values of the first input; `outputs` are as large. */
function overFours(
  device: WebGPUDevice,
  key: string,
  inputs: Readonly<Record<string, DeviceBuffer>>,
  outputs: readonly string[],
  text: { functions?: string; body: string },
  { ints = {}, floats = {} }: Partial<Record<'ints' | 'floats', Record<string, number>>> = {},
): GpuBuffer[] {
  const buffers = Object.values(inputs);
  const [{ size }] = buffers;
  const count = Math.ceil(size / 4);
  return device.run({
    key,
    make: () => ({
      inputs: Object.keys(inputs).map((name) => `${name}: vec4f`),
      outputs: outputs.map((name) => `${name}: vec4f`),
      ints: ['count', ...Object.keys(ints)],
      floats: Object.keys(floats),
      text: `${text.functions ?? ''}${forEach(text.body)}`,
    }),
    inputs: buffers,
    results: outputs.map(() => ({ dtype: 'float32', size })),
    ints: [count, ...Object.values(ints)],
    floats: Object.values(floats),
    groups: spread(Math.ceil(count / GROUP)),
  });
}

const logistic = `fn logistic(x: vec4f) -> vec4f {
  return 1.0 / (1.0 + ${each('vec4f', (lane) => `exponential(-x${lane})`)});
}
`;
const gate = '  let x = a[p.a_at + i];\n  let s = logistic(x);\n';

export function elementKernels(
  device: WebGPUDevice,
): Pick<Kernels, 'swiglu' | 'swigluGradient' | 'reluGradient' | 'dropout' | 'rotate'> {
  return {
    swiglu: ([a, b]) =>
      overFours(device, 'swiglu', { a, b }, ['out'], {
        functions: logistic,
        body: `${gate}  out[p.out_at + i] = x * s * b[p.b_at + i];`,
      }),

    swigluGradient: ([a, b, g]) =>
      overFours(device, 'swigluGradient', { a, b, g }, ['of_a', 'of_b'], {
        functions: logistic,
        body: `${gate}  let d = g[p.g_at + i];
  of_a[p.of_a_at + i] = d * b[p.b_at + i] * (s + x * s * (1.0 - s));
  of_b[p.of_b_at + i] = d * (x * s);`,
      }),

    reluGradient: ([y, g]) => [reluGradient(device, y, g)],

    dropout([x, residual], [rate, hi, lo]) {
      const kept = each('vec4f', (lane) => `select(0.0, x${lane} * p.factor, u${lane} >= p.rate)`);
      return overFours(
        device,
        `dropout ${residual !== undefined}`,
        residual ? { x, residual } : { x },
        ['out'],
        {
          functions: threefryText,
          body: `  let x = x[p.x_at + i];
  let u = units(i, p.hi, p.lo);
  out[p.out_at + i] = ${kept}${residual ? ' + residual[p.residual_at + i]' : ''};`,
        },
        { ints: { hi, lo }, floats: { rate, factor: 1 / (1 - rate) } },
      );
    },

    rotate([cos, sin, ...rows], [sign, length, time, heads, half]) {
      const unit = unitOf(half);
      const units = unit === 'f32' ? half : half / 4;
      const count = length * heads * units;
      const turn = (i: number) => `{
    let first = x${i}[p.x${i}_at + at];
    let second = x${i}[p.x${i}_at + at + p.units];
    out${i}[p.out${i}_at + at] = first * c - second * s;
    out${i}[p.out${i}_at + at + p.units] = second * c + first * s;
  }`;
      return device.run({
        key: `rotate ${unit} ${rows.length}`,
        make: () => ({
          inputs: ['cos', 'sin', ...rows.map((_, i) => `x${i}`)].map((name) => `${name}: ${unit}`),
          outputs: rows.map((_, i) => `out${i}: ${unit}`),
          ints: ['count', 'time', 'heads', 'units'],
          floats: ['direction'],
          // Each thread turns the pairs of one unit.
          text: forEach(`  let head = i / p.units;
  let column = i - head * p.units;
  let angle = ((head / p.heads) % p.time) * p.units + column;
  let at = 2 * head * p.units + column;
  let c = cos[p.cos_at + angle];
  let s = p.direction * sin[p.sin_at + angle];
  ${rows.map((_, i) => turn(i)).join('\n  ')}`),
        }),
        inputs: [cos, sin, ...rows],
        results: rows.map(({ size }) => ({ dtype: 'float32', size })),
        ints: [count, time, heads, units],
        floats: [sign],
        groups: spread(Math.ceil(count / GROUP)),
      });
    },
  };
}
