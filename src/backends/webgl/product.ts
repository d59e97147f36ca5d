/**
 * Matrix products in two kernels: one computes tiles, one lays them out as a matrix
 * (kernels/matmul.ts).
 */
import type { DeviceBuffer, MatmulSpec } from '../backend.js';
import { sizeOf } from '../layout.js';
import { layOutText, tileRows, tilesOf, tilesText } from './kernels/matmul.js';
import { blockOf, type Runner, wrap } from './runner.js';

/** What is applied to each value of a product. */
export interface Epilogue {
  /** [n], added to each row. */
  readonly bias: DeviceBuffer;
  readonly relu: boolean;
}

/** Computes op(a) op(b), where `spec` defines op, then the epilogue: bias and ReLU. */
export function product(
  runner: Runner,
  a: DeviceBuffer,
  b: DeviceBuffer,
  spec: MatmulSpec,
  epilogue?: Epilogue,
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
  if (rows === 1 && n % 4 === 0 && !epilogue) return wrap('float32', size, tiles[0]);
  const buffers = tiles.map((block) => wrap('float32', block.texels * 4, block));
  const key = `tiles ${rows} ${matrices} ${m} ${n} ${epilogue?.relu}`;
  const inputs = epilogue ? [...buffers, epilogue.bias] : buffers;
  return runner.using(buffers, () =>
    runner.run(key, () => layOutText(spec, rows, epilogue?.relu), inputs, 'float32', size),
  );
}
