/** Matrix products: tiles first, then the matrix from them (kernels/matmul.ts). */
import type { DeviceBuffer, MatmulSpec } from '../backend.js';
import { sizeOf } from '../layout.js';
import { layOutText, tileRows, tilesOf, tilesText } from './kernels/matmul.js';
import { blockOf, type Runner, wrap } from './runner.js';

/** What becomes of each value of a product, in the kernel that lays it out. */
export interface Finish {
  /** Added to each row. */
  readonly bias: DeviceBuffer;
  /** Whether it is no less than 0. */
  readonly relu: boolean;
}

/** a b as `spec` says, and then as `finish` does. */
export function product(
  runner: Runner,
  a: DeviceBuffer,
  b: DeviceBuffer,
  spec: MatmulSpec,
  finish?: Finish,
): DeviceBuffer {
  const { m, n } = spec;
  const { skipZeros = false, ...sizes } = spec;
  const matrices = sizeOf(spec.batch);
  const size = matrices * m * n;
  const rows = tileRows(spec);
  const tiles = runner.device.run(
    `matmul ${skipZeros} ${JSON.stringify(sizes)}`,
    () => ({ text: tilesText(spec, rows), inputs: 2, numbers: 0, outputs: rows }),
    [blockOf(a), blockOf(b)],
    tilesOf(spec, rows),
    [],
  );
  if (rows === 1 && n % 4 === 0 && !finish) return wrap('float32', size, tiles[0]);
  const buffers = tiles.map((block) => wrap('float32', block.texels * 4, block));
  const key = `tiles ${rows} ${matrices} ${m} ${n} ${finish?.relu}`;
  const inputs = finish ? [...buffers, finish.bias] : buffers;
  return runner.using(buffers, () =>
    runner.run(key, () => layOutText(spec, rows, finish?.relu), inputs, 'float32', size),
  );
}
