/** Softmax of rows, masked and scaled, and its gradient. */
import { exp1, exp4 } from './math';

/**
 * out = softmax(scale * x) over rows of `width`, where a mask row is not 0, and 0 elsewhere. The
 * mask, int32, has `maskRows` rows that repeat over the rows of x; without one `maskRows` is 0.
 */
export function softmax(x: usize, mask: usize, maskRows: i32, scale: f32, rows: i32, width: i32, out: usize): void {
  const bytes = <usize>width << 2;
  const whole = bytes & ~15;
  for (let row = 0; row < rows; row++, x += bytes, out += bytes) {
    const open: usize = maskRows == 0 ? 0 : mask + <usize>(row % maskRows) * bytes;
    let largest4 = f32x4.splat(-Infinity);
    for (let at: usize = 0; at < whole; at += 16) {
      let value = f32x4.mul(v128.load(x + at), f32x4.splat(scale));
      if (open) value = v128.bitselect(value, f32x4.splat(-Infinity), i32x4.ne(v128.load(open + at), i32x4.splat(0)));
      v128.store(out + at, value);
      largest4 = f32x4.max(largest4, value);
    }
    let largest = maxLane(largest4);
    for (let at = whole; at < bytes; at += 4) {
      const value: f32 = open && load<i32>(open + at) == 0 ? -Infinity : load<f32>(x + at) * scale;
      store<f32>(out + at, value);
      largest = max(largest, value);
    }
    const shift: f32 = largest == -Infinity ? 0 : largest;
    let total4 = f32x4.splat(0);
    for (let at: usize = 0; at < whole; at += 16) {
      const power = exp4(f32x4.sub(v128.load(out + at), f32x4.splat(shift)));
      v128.store(out + at, power);
      total4 = f32x4.add(total4, power);
    }
    let total = addLanes(total4);
    for (let at = whole; at < bytes; at += 4) {
      const power = exp1(load<f32>(out + at) - shift);
      store<f32>(out + at, power);
      total += power;
    }
    const divisor: f32 = largest == -Infinity ? 1 : total;
    for (let at: usize = 0; at < whole; at += 16) {
      v128.store(out + at, f32x4.div(v128.load(out + at), f32x4.splat(divisor)));
    }
    for (let at = whole; at < bytes; at += 4) store<f32>(out + at, load<f32>(out + at) / divisor);
  }
}

/** out = scale * y * (g - sum(g * y)) over rows of `width`: the gradient of softmax(scale * x) = y. */
export function softmaxGradient(y: usize, g: usize, scale: f32, rows: i32, width: i32, out: usize): void {
  const bytes = <usize>width << 2;
  const whole = bytes & ~15;
  for (let row = 0; row < rows; row++, y += bytes, g += bytes, out += bytes) {
    let total4 = f32x4.splat(0);
    for (let at: usize = 0; at < whole; at += 16) {
      total4 = f32x4.add(total4, f32x4.mul(v128.load(y + at), v128.load(g + at)));
    }
    let total = addLanes(total4);
    for (let at = whole; at < bytes; at += 4) total += load<f32>(y + at) * load<f32>(g + at);
    for (let at: usize = 0; at < whole; at += 16) {
      const difference = f32x4.sub(v128.load(g + at), f32x4.splat(total));
      v128.store(out + at, f32x4.mul(f32x4.mul(v128.load(y + at), difference), f32x4.splat(scale)));
    }
    for (let at = whole; at < bytes; at += 4) {
      store<f32>(out + at, load<f32>(y + at) * (load<f32>(g + at) - total) * scale);
    }
  }
}

@inline
export function addLanes(x: v128): f32 {
  return f32x4.extract_lane(x, 0) + f32x4.extract_lane(x, 1) + (f32x4.extract_lane(x, 2) + f32x4.extract_lane(x, 3));
}

@inline
function maxLane(x: v128): f32 {
  return max(max(f32x4.extract_lane(x, 0), f32x4.extract_lane(x, 1)), max(f32x4.extract_lane(x, 2), f32x4.extract_lane(x, 3)));
}
