/** Cross-entropy of rows, and its gradient. */
import type { Kernels } from '../../backend.js';
import type { WebGPUDevice } from '../device.js';
import { each, perLane, unitOf } from './common.js';
import { type EachUnit, overRows } from './rows.js';

const read = 'let x = x[p.x_at + start + j];';

/** The largest value of the row, `most`, and the sum `total` of exponentials relative to it. */
const sums = (unit: 'f32' | 'vec4f', eachUnit: EachUnit) => `  var most = -3.4028234e38;
${eachUnit(`${read} ${perLane(unit, (lane) => `most = larger(most, x${lane});`)}`)}
  most = most_of(most, t);
  var total = 0.0;
${eachUnit(`${read} ${perLane(unit, (lane) => `total += exponential(x${lane} - most);`)}`)}
  total = sum_of(total, t);
  if (!inside) { return; }
  let label = targets[p.targets_at + row];
`;

export function crossEntropyKernels(
  device: WebGPUDevice,
): Pick<Kernels, 'crossEntropy' | 'crossEntropyGradient'> {
  return {
    /** The loss of a target out of range is NaN: a GPU can't raise an error. */
    crossEntropy([x, targets], [ignored, rows, width], [{ dtype }]) {
      const unit = unitOf(width);
      const [at, lanes] = unit === 'f32' ? ['label', 1] : ['label / 4][label % 4', 4];
      return overRows(device, {
        key: 'crossEntropy',
        unit,
        bindings: [`x: ${unit}`, 'targets: i32'],
        outputs: ['out: f32'],
        body: (eachUnit) => `${sums(unit, eachUnit)}  if (lane > 0) { return; }
  var loss = 0.0;
  if (label != p.ignored) {
    loss = not_a_number();
    if (label >= 0 && label < p.width * ${lanes}) { loss = logarithm(total) + (most - x[p.x_at + start + ${at}]); }
  }
  out[p.out_at + row] = loss;`,
        inputs: [x, targets],
        results: [{ dtype, size: rows }],
        rows,
        width,
        ints: { ignored },
      });
    },

    crossEntropyGradient([x, targets, g], [ignored, rows, width], [{ dtype }]) {
      const unit = unitOf(width);
      const lanes = unit === 'f32' ? 1 : 4;
      const element = (lane: string) =>
        `gradient(exponential(x${lane} - most) / total, factor, j * ${lanes} + ${Math.max(0, ['.x', '.y', '.z', '.w'].indexOf(lane))} == label)`;
      return overRows(device, {
        key: 'crossEntropyGradient',
        unit,
        bindings: [`x: ${unit}`, 'targets: i32', 'g: f32'],
        outputs: [`out: ${unit}`],
        // At the target: share g - g, as in the definition, which is NaN where g is infinite.
        functions: `fn gradient(share: f32, factor: f32, is_label: bool) -> f32 {
  if (!is_label) { return share * factor; }
  return select(not_a_number(), (share - 1.0) * factor, is_finite(factor));
}
`,
        body: (eachUnit) => `${sums(unit, eachUnit)}  let factor = g[p.g_at + row];
  let counts = label != p.ignored;
${eachUnit(`${read} out[p.out_at + start + j] = select(${unit}(), ${each(unit, element)}, counts);`)}`,
        inputs: [x, targets, g],
        results: [{ dtype, size: x.size }],
        rows,
        width,
        ints: { ignored },
      });
    },
  };
}
