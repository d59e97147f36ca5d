/** Root mean square normalisation of rows, and its gradients. */
import { normGradient, normRows, normScratch } from '../lib/norm-rows';

/** out = x / sqrt(mean(x^2) + epsilon) * weight for rows of `width`. */
export function rmsNorm(x: usize, weight: usize, epsilon: f32, rows: i32, width: i32, out: usize): void {
  normRows(x, weight, 0, epsilon, false, rows, width, out);
}

export function rmsNormGradientScratch(epsilon: f32, rows: i32, width: i32): i32 {
  return normScratch(rows, width);
}

/** The gradients of `rmsNorm` from g, the gradient of its result. */
export function rmsNormGradient(x: usize, weight: usize, g: usize, epsilon: f32, rows: i32, width: i32, gx: usize, gWeight: usize, scratch: usize): void {
  normGradient(x, weight, g, epsilon, false, rows, width, gx, gWeight, 0, scratch);
}
