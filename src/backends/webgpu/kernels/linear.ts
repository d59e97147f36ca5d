/** Linear layers: several products of one input, and the gradients of weights and biases. */
import type { Kernels, MatmulSpec } from '../../backend.js';
import type { WebGPUDevice } from '../device.js';
import { assemble } from './assemble.js';
import { inTiles, matmul, smallTile } from './matmul.js';

type Names = 'linear' | 'linearGradient' | 'projections' | 'projectionsGradient';

export function linearKernels(device: WebGPUDevice): Pick<Kernels, Names> {
  return {
    linear: ([x, weight, bias], [m, n, k, relu]) => [
      matmul(device, x, weight, specOf(m, n, k, { transposeB: true }), { bias, relu: relu === 1 }),
    ],

    linearGradient([x, g], [rows, outputs, width]) {
      return inTiles(device, g, x, specOf(outputs, width, rows, { transposeA: true }), {
        sums: true,
      });
    },

    projections([x, weight], [parts, rows, outputs, width]) {
      const spec = specOf(rows, outputs, width, { transposeB: true });
      const size = rows * outputs;
      const whole = matmul(device, x, weight, batched(spec, parts, outputs * width));
      if (size % 4 === 0) return device.split(whole, Array(parts).fill(size));
      return device.using([whole], () =>
        Array.from({ length: parts }, (_, i) => {
          const view = { buffer: whole, shape: [size], strides: [1], offset: i * size };
          return assemble(device, [size], 'float32', 0, [{ view, at: [0] }]);
        }),
      );
    },

    projectionsGradient([x, weight, ...gradients], [parts, rows, outputs, width]) {
      if (outputs % smallTile.depth !== 0) return undefined; // a step along k would read two of them
      const spec = batched(specOf(outputs, width, rows, { transposeA: true }), parts, 0);
      const along = (axis: 'batch' | 'k') => ({ buffers: gradients, along: axis });
      // The gradient of x is one product, of the gradients side by side.
      const joint = specOf(rows, width, parts * outputs);
      const [ofX] = inTiles(device, along('k'), weight, joint);
      const [ofWeight] = inTiles(device, along('batch'), x, spec);
      return [ofX, ofWeight];
    },
  };
}

function specOf(
  m: number,
  n: number,
  k: number,
  { transposeA = false, transposeB = false } = {},
): MatmulSpec {
  return { m, n, k, transposeA, transposeB, batch: [], batchStridesA: [], batchStridesB: [] };
}

/** `count` products, of one a and of matrices b that are `stride` values apart. */
function batched(spec: MatmulSpec, count: number, stride: number): MatmulSpec {
  return { ...spec, batch: [count], batchStridesA: [0], batchStridesB: [stride] };
}
