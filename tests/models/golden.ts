/** Fixtures of the reference code: reading them, and comparing with them. */
import { readFileSync } from 'node:fs';
import * as assert from 'uvu/assert';
import { setDefaultBackend, type Tensor, tensor } from '../../src/autograd/index.js';
import { createCpuBackend } from '../../src/backends/cpu/index.js';
import { type AnyConfig, presets, type ReferenceTensor } from '../../src/models/index.js';

setDefaultBackend(createCpuBackend()); // float64, which wasm doesn't have

export function readGolden<T>(name: string): T {
  return JSON.parse(readFileSync(`tests/goldens/${name}.json`, 'utf8'));
}

export function goldenConfig(sizes: Partial<AnyConfig>): AnyConfig {
  return {
    ...presets.paper,
    dropout: 0,
    dtype: 'float64',
    nToken: 11,
    nLayer: 2,
    nHead: 2,
    dModel: 16,
    dHead: 8,
    dInner: 32,
    memLen: 1,
    numMemTokens: 1,
    ...sizes,
  };
}

export function float64({ data, shape }: ReferenceTensor): Tensor {
  return tensor(Float64Array.from(data), { shape });
}

/** Largest difference, relative to the fixture's largest value, must stay under `tolerance`. */
export async function close(
  actual: Tensor,
  expected: ReferenceTensor,
  what: string,
  tolerance = 1e-7,
) {
  const data = await actual.data();
  assert.is(data.length, expected.data.length, `${what}: size`);
  let largest = 1e-30;
  let difference = 0;
  data.forEach((value, i) => {
    largest = Math.max(largest, Math.abs(expected.data[i]));
    const off = Math.abs(value - expected.data[i]);
    difference = Number.isNaN(off) ? Infinity : Math.max(difference, off);
  });
  assert.ok(difference <= tolerance * largest, `${what}: off by ${difference} of ${largest}`);
}
