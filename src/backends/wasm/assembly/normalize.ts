/** Rows brought to mean 0 and variance 1, and the gradient of that. */
import { addLanes } from './lanes';

@inline
function mean(x: usize, whole: usize, bytes: usize): f32 {
  let total4 = f32x4.splat(0);
  for (let at: usize = 0; at < whole; at += 16) total4 = f32x4.add(total4, v128.load(x + at));
  let total = addLanes(total4);
  for (let at = whole; at < bytes; at += 4) total += load<f32>(x + at);
  return total / <f32>(bytes >> 2);
}

@inline
function inverseDeviation(x: usize, whole: usize, bytes: usize, centre: f32, epsilon: f32): f32 {
  let total4 = f32x4.splat(0);
  for (let at: usize = 0; at < whole; at += 16) {
    const difference = f32x4.sub(v128.load(x + at), f32x4.splat(centre));
    total4 = f32x4.add(total4, f32x4.mul(difference, difference));
  }
  let total = addLanes(total4);
  for (let at = whole; at < bytes; at += 4) {
    const difference = load<f32>(x + at) - centre;
    total += difference * difference;
  }
  return 1 / sqrt<f32>(total / <f32>(bytes >> 2) + epsilon);
}

/** out = (x - mean) / sqrt(variance + epsilon) over rows of `width`. */
export function normalize(x: usize, epsilon: f32, rows: i32, width: i32, out: usize): void {
  const bytes = <usize>width << 2;
  const whole = bytes & ~15;
  for (let row = 0; row < rows; row++, x += bytes, out += bytes) {
    const centre = mean(x, whole, bytes);
    const scale = inverseDeviation(x, whole, bytes, centre, epsilon);
    for (let at: usize = 0; at < whole; at += 16) {
      v128.store(out + at, f32x4.mul(f32x4.sub(v128.load(x + at), f32x4.splat(centre)), f32x4.splat(scale)));
    }
    for (let at = whole; at < bytes; at += 4) store<f32>(out + at, (load<f32>(x + at) - centre) * scale);
  }
}

/** The gradient of `normalize` at x: scale * (g - mean(g) - y * mean(g * y)), y being the normalised row. */
export function normalizeGradient(x: usize, g: usize, epsilon: f32, rows: i32, width: i32, out: usize): void {
  const bytes = <usize>width << 2;
  const whole = bytes & ~15;
  for (let row = 0; row < rows; row++, x += bytes, g += bytes, out += bytes) {
    const centre = mean(x, whole, bytes);
    const scale = inverseDeviation(x, whole, bytes, centre, epsilon);
    const meanG = mean(g, whole, bytes);
    let total4 = f32x4.splat(0);
    for (let at: usize = 0; at < whole; at += 16) {
      const y = f32x4.mul(f32x4.sub(v128.load(x + at), f32x4.splat(centre)), f32x4.splat(scale));
      total4 = f32x4.add(total4, f32x4.mul(y, v128.load(g + at)));
    }
    let total = addLanes(total4);
    for (let at = whole; at < bytes; at += 4) total += (load<f32>(x + at) - centre) * scale * load<f32>(g + at);
    const meanGY = total / <f32>width;
    for (let at: usize = 0; at < whole; at += 16) {
      const y = f32x4.mul(f32x4.sub(v128.load(x + at), f32x4.splat(centre)), f32x4.splat(scale));
      const difference = f32x4.sub(f32x4.sub(v128.load(g + at), f32x4.splat(meanG)), f32x4.mul(y, f32x4.splat(meanGY)));
      v128.store(out + at, f32x4.mul(difference, f32x4.splat(scale)));
    }
    for (let at = whole; at < bytes; at += 4) {
      const y = (load<f32>(x + at) - centre) * scale;
      store<f32>(out + at, (load<f32>(g + at) - meanG - y * meanGY) * scale);
    }
  }
}
