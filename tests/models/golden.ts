/** Fixtures of the reference code: reading them, and comparing with them. */
import { readFileSync } from 'node:fs';
import * as assert from 'uvu/assert';
import { setDefaultBackend, type Tensor, type Tree, tensor } from '../../src/autograd/index.js';
import { createCpuBackend } from '../../src/backends/cpu/index.js';
import {
  type AnyConfig,
  createModel,
  loadReference,
  presets,
  type ReferenceTensor,
  type SegmentModel,
} from '../../src/models/index.js';

setDefaultBackend(createCpuBackend()); // float64, which wasm doesn't have

export interface GoldenCase {
  case: string;
  config: Record<string, number | boolean | string | null>;
  params: Record<string, ReferenceTensor>;
  grads: Record<string, ReferenceTensor | null>;
  inputs: ReferenceTensor;
  targets: ReferenceTensor;
  loss: number;
  forwards: {
    kind: string;
    segment: number;
    logits: ReferenceTensor;
    loss_mean: number;
    mem_out: ReferenceTensor | null;
    mems_out: ReferenceTensor[];
  }[];
}

export function readGolden<T = GoldenCase>(name: string): T {
  return JSON.parse(readFileSync(`tests/goldens/${name}.json`, 'utf8'));
}

/** The model that a case's configuration describes, in float64, with the case's parameters. */
export function goldenModel({ config, params }: GoldenCase): SegmentModel {
  const number = (name: string) => config[name] as number;
  const model = config.num_mem_tokens ? 'rmt' : config.mem_len ? 'transformer-xl' : 'transformer';
  const built = createModel(
    model,
    goldenConfig({
      nToken: number('n_token'),
      nLayer: number('n_layer'),
      nHead: number('n_head'),
      dModel: number('d_model'),
      dHead: number('d_head'),
      dInner: number('d_inner'),
      memLen: number('mem_len') || 1,
      numMemTokens: number('num_mem_tokens') || 1,
      norm: config.pre_lnorm ? 'pre' : 'post',
    }),
  );
  loadReference(built, params);
  return built;
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

/** Rows `start` to `start + count` of a time-major fixture [time, batch], as [batch, count] int32. */
export function tokens(
  { data, shape: [, batch] }: ReferenceTensor,
  start: number,
  count: number,
): Tensor {
  const values = Int32Array.from({ length: batch * count }, (_, i) => {
    const row = Math.floor(i / count);
    return data[(start + (i % count)) * batch + row];
  });
  return tensor(values, { shape: [batch, count] });
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

export type { Tree };
