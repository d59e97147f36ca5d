/** Layer normalisation of rows, and its gradients. */
import { normGradient, normRows, normScratch } from '../lib/norm-rows';

/** out = (x - mean) / sqrt(variance + epsilon) * weight + bias for rows of `width`. */
export function layerNorm(x: usize, weight: usize, bias: usize, epsilon: f32, rows: i32, width: i32, out: usize): void {
  normRows(x, weight, bias, epsilon, true, rows, width, out);
}

export function layerNormGradientScratch(epsilon: f32, rows: i32, width: i32): i32 {
  return normScratch(rows, width);
}

/** The gradients of `layerNorm` from g, the gradient of its result. */
export function layerNormGradient(x: usize, weight: usize, g: usize, epsilon: f32, rows: i32, width: i32, gx: usize, gWeight: usize, gBias: usize, scratch: usize): void {
  normGradient(x, weight, g, epsilon, true, rows, width, gx, gWeight, gBias, scratch);
}
