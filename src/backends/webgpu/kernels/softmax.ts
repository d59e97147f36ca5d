/** Softmax of rows, and its gradient. */
import type { Kernels } from '../../backend.js';
import type { WebGPUDevice } from '../device.js';
import { each, perLane, unitOf } from './common.js';
import { overRows } from './rows.js';

export function softmaxKernels(device: WebGPUDevice): Pick<Kernels, 'softmax' | 'softmaxGradient'> {
  return {
    softmax([x, mask], [maskRows, scale, rows, width], [{ dtype }]) {
      const unit = unitOf(width);
      // A masked value is skipped.
      const open = (lane: string) => (mask ? `if (seen${lane} != 0) ` : '');
      const read = `let x = x[p.x_at + start + j] * p.scale;${
        mask ? ' let seen = mask[p.mask_at + mask_start + j];' : ''
      }`;
      const share = (lane: string) => {
        const share = `exponential(x${lane} - most) / total`;
        return mask
          ? `select(0.0, ${share}, some && seen${lane} != 0)`
          : `select(0.0, ${share}, some)`;
      };
      return overRows(device, {
        key: `softmax ${mask !== undefined}`,
        unit,
        bindings: [`x: ${unit}`, ...(mask ? [unit === 'f32' ? 'mask: i32' : 'mask: vec4i'] : [])],
        outputs: [`out: ${unit}`],
        body: (
          eachUnit,
        ) => `${mask ? '  let mask_start = (row % p.mask_rows) * p.width;\n' : ''}  var most = -3.4028234e38;
${eachUnit(`${read} ${perLane(unit, (lane) => `${open(lane)}{ most = larger(most, x${lane}); }`)}`)}
  most = most_of(most, t);
  var total = 0.0;
${eachUnit(`${read} ${perLane(unit, (lane) => `${open(lane)}{ total += exponential(x${lane} - most); }`)}`)}
  total = sum_of(total, t);
  if (!inside) { return; }
  let some = total != 0.0 || is_nan(total);
${eachUnit(`${read} out[p.out_at + start + j] = ${each(unit, share)};`)}`,
        inputs: mask ? [x, mask] : [x],
        results: [{ dtype, size: x.size }],
        rows,
        width,
        ints: { mask_rows: maskRows },
        floats: { scale },
      });
    },

    softmaxGradient([y, g], [scale, rows, width], [{ dtype }]) {
      const unit = unitOf(width);
      const read = 'let y = y[p.y_at + start + j]; let g = g[p.g_at + start + j];';
      return overRows(device, {
        key: 'softmaxGradient',
        unit,
        bindings: [`y: ${unit}`, `g: ${unit}`],
        outputs: [`out: ${unit}`],
        body: (eachUnit) => `  var total = 0.0;
${eachUnit(`${read} ${perLane(unit, (lane) => `total += weighted(y${lane}, g${lane});`)}`)}
  total = sum_of(total, t);
  if (!inside) { return; }
${eachUnit(`${read} out[p.out_at + start + j] = p.scale * ${each(unit, (lane) => `weighted(y${lane}, g${lane} - total)`)};`)}`,
        inputs: [y, g],
        results: [{ dtype, size: y.size }],
        rows,
        width,
        floats: { scale },
      });
    },
  };
}
