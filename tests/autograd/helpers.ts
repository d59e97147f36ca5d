/** What the tests of the engine share. */
import * as assert from 'uvu/assert';
import {
  type Nested,
  type Shape,
  setDefaultBackend,
  Tensor,
  tensor,
} from '../../src/autograd/index.js';
import { createCpuBackend } from '../../src/backends/cpu/index.js';
import { MemgradError } from '../../src/errors.js';

setDefaultBackend(createCpuBackend()); // float64, which wasm doesn't have

/** Seeds and counts of property tests. */
export const SEED = 20_240_602;
export const RUNS = process.env.MEMGRAD_LONG ? 2000 : 100;

/** A float64 tensor. */
export function f64(values: Nested | number[], shape?: Shape): Tensor {
  return shape
    ? tensor(Float64Array.from(values as number[]), { shape })
    : tensor(values, { dtype: 'float64' });
}

/** An int32 tensor. */
export function i32(values: Nested): Tensor {
  return tensor(values, { dtype: 'int32' });
}

/** The message of the MemgradError that a call must throw or reject with. */
export async function refusal(call: () => unknown): Promise<string> {
  try {
    await call();
  } catch (error) {
    assert.instance(error, MemgradError, String(error));
    return (error as MemgradError).message;
  }
  assert.unreachable('a MemgradError was expected');
  return '';
}

/** Fails unless `came` has the shape and, to `tolerance` relative to the larger of 1 and the value, the values. */
export function close(
  came: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance = 1e-12,
  what = 'value',
): void {
  assert.is(came.length, expected.length, `${what}: number of values`);
  for (let i = 0; i < expected.length; i++) {
    if (Object.is(came[i], expected[i]) || came[i] === expected[i]) continue;
    const error = Math.abs(came[i] - expected[i]) / Math.max(1, Math.abs(expected[i]));
    assert.ok(error <= tolerance, `${what} ${i}: got ${came[i]}, expected ${expected[i]}`);
  }
}

/** `tensor.array()`, of anything with tensors in it. */
export async function plain(value: unknown): Promise<unknown> {
  if (value instanceof Tensor) return value.array();
  return Array.isArray(value) ? Promise.all(value.map(plain)) : value;
}
