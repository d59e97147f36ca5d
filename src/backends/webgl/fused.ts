/** The fused kernels of `webgl`. Operations without one run their definition. */
import type { DeviceBuffer, Kernels } from '../backend.js';
import { adamKernels } from './kernels/adam.js';
import { attentionKernels } from './kernels/attention.js';
import { reluGradientText } from './kernels/elementwise.js';
import * as text from './kernels/fused.js';
import { normKernels } from './kernels/norm.js';
import { normRowsKernels } from './kernels/norm-rows.js';
import { keyNumbers } from './kernels/rows.js';
import { swigluKernels } from './kernels/swiglu.js';
import { product } from './product.js';
import type { Runner } from './runner.js';

export function fusedKernels(runner: Runner): Partial<Kernels> {
  const floats = (
    key: string,
    make: () => string,
    inputs: readonly DeviceBuffer[],
    size: number,
    numbers?: readonly number[],
  ) => runner.run(key, make, inputs, 'float32', size, numbers);

  /**
   * Runs two kernels: the first computes one texel for each row of the first input; `use` runs the
   * second with these texels.
   */
  const byRow = (
    key: string,
    make: () => string,
    inputs: readonly DeviceBuffer[],
    width: number,
    use: (rows: DeviceBuffer) => DeviceBuffer,
  ): [DeviceBuffer] => {
    const [{ size }] = inputs;
    if (size === 0) return [runner.fill(0, 0, 'float32')];
    const rows = floats(`${key} ${width}`, make, inputs, (size / width) * 4);
    return [runner.using([rows], () => use(rows))];
  };
  /** Computes the largest value and the sum of exponentials of each row. */
  const softmaxRows = (
    x: DeviceBuffer,
    width: number,
    use: (rows: DeviceBuffer) => DeviceBuffer,
    { scale = 1, masks = [] }: { scale?: number; masks?: readonly DeviceBuffer[] } = {},
  ) => {
    const maskRows = masks.length > 0 ? masks[0].size / width : 0;
    const make = () => text.softmaxRowsText(width, scale, maskRows);
    return byRow(`softmaxRows ${scale} ${maskRows}`, make, [x, ...masks], width, use);
  };

  return {
    ...adamKernels(runner),
    ...attentionKernels(runner),
    ...normKernels(runner),
    ...normRowsKernels(runner),
    ...swigluKernels(runner),
    linear([x, weight, bias], [m, n, k, relu]) {
      const none = { batch: [], batchStridesA: [], batchStridesB: [] };
      const spec = { m, n, k, transposeA: false, transposeB: true, ...none };
      if (m * n === 0) return [runner.fill(0, m * n, 'float32')];
      return [product(runner, x, weight, spec, { bias, relu: relu === 1 })];
    },
    reluGradient: ([y, g], [size]) => [
      floats('reluGradient', () => reluGradientText, [y, g], size),
    ],
    softmax([x, mask], [maskRows, scale, , width]) {
      const masks = mask ? [mask] : [];
      const key = `softmax ${scale} ${maskRows} ${width}`;
      const make = () => text.softmaxText(width, scale, maskRows);
      const use = (rows: DeviceBuffer) => floats(key, make, [x, rows, ...masks], x.size);
      return softmaxRows(x, width, use, { scale, masks });
    },
    softmaxGradient: ([y, g], [scale, , width]) =>
      byRow(
        'dotRows',
        () => text.dotRowsText(width),
        [y, g],
        width,
        (rows) =>
          floats(
            `softmaxGradient ${scale} ${width}`,
            () => text.softmaxGradientText(width, scale),
            [y, g, rows],
            y.size,
          ),
      ),
    rotate([cos, sin, ...rows], [sign, , time, heads, half]) {
      const head = 2 * half;
      const key = `rotate ${head} ${heads} ${time} ${sign}`;
      const make = () => text.rotateText(head, heads, time, sign === 1 ? 1 : -1);
      return rows.map((x) => floats(key, make, [x, cos, sin], x.size));
    },
    crossEntropy: ([x, targets], [ignored, , width]) =>
      softmaxRows(x, width, (rows) =>
        floats(
          `crossEntropy ${ignored} ${width}`,
          () => text.crossEntropyText(width, ignored),
          [x, targets, rows],
          targets.size,
        ),
      ),
    crossEntropyGradient: ([x, targets, g], [ignored, , width]) =>
      softmaxRows(x, width, (rows) =>
        floats(
          `crossEntropyGradient ${ignored} ${width}`,
          () => text.crossEntropyGradientText(width, ignored),
          [x, targets, g, rows],
          x.size,
        ),
      ),
    dropout([x, residual], [rate, hi, lo, size]) {
      const make = () => text.dropoutText(rate, residual !== undefined);
      const inputs = residual ? [x, residual] : [x];
      const name = `dropout ${rate} ${inputs.length}`;
      return [floats(name, make, inputs, size, keyNumbers({ hi, lo }))];
    },
  };
}
