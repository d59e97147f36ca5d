/** Softmax of rows, masked and scaled, and its gradient. */
import { endOf, firstOf } from '../lib/part';
import { softmaxGradientRow, softmaxRow } from '../lib/softmax-row';

/**
 * out = softmax(scale * x) over rows of `width`, restricted to the positions where the mask is not
 * 0; masked positions are 0. The mask, int32, has `maskRows` rows, which repeat over the rows of x;
 * `maskRows` 0 means no mask.
 */
export function softmax(x: usize, mask: usize, maskRows: i32, scale: f32, rows: i32, width: i32, out: usize): void {
  const bytes = <usize>width << 2;
  const end = endOf(rows, 1);
  for (let row = firstOf(rows, 1); row < end; row++) {
    const at = <usize>row * bytes;
    softmaxRow(x + at, 0, maskRows == 0 ? 0 : mask + <usize>(row % maskRows) * bytes, scale, width, out + at);
  }
}

/** out = scale * y * (g - sum(g * y)) over rows of `width`: the gradient of softmax(scale * x) = y. */
export function softmaxGradient(y: usize, g: usize, scale: f32, rows: i32, width: i32, out: usize): void {
  const bytes = <usize>width << 2;
  const end = <usize>endOf(rows, 1) * bytes;
  for (let at = <usize>firstOf(rows, 1) * bytes; at < end; at += bytes) {
    softmaxGradientRow(y + at, g + at, scale, width, out + at);
  }
}
