/** Softmax of one row, masked and scaled, and its gradient. */
import { addLanes, firstLanes, maxLane, storeLanes } from './lanes';
import { exp4, rareExp4 } from './math';

/**
 * One row of softmax(scale * (x + bias)). `bias` and `open`, a row of the mask, may be 0 for none.
 */
export function softmaxRow(x: usize, bias: usize, open: usize, scale: f32, width: i32, out: usize): void {
  const none = f32x4.splat(-Infinity);
  const whole = <usize>(width & ~3) << 2;
  const rest = width & 3;
  let largest4 = none;
  for (let at: usize = 0; at < whole; at += 16) {
    const value = score(x, bias, open, scale, at);
    v128.store(out + at, value);
    largest4 = f32x4.pmax(largest4, value);
  }
  let last = none;
  if (rest) {
    last = firstLanes(score(x, bias, open, scale, whole), rest, none);
    largest4 = f32x4.pmax(largest4, last);
  }
  const largest = maxLane(largest4);
  const shift = f32x4.splat(largest == -Infinity ? 0 : largest);
  let total4 = f32x4.splat(0);
  for (let at: usize = 0; at < whole; at += 16) {
    const power = exp4(f32x4.sub(v128.load(out + at), shift));
    v128.store(out + at, power);
    total4 = f32x4.add(total4, power);
  }
  if (rest) {
    last = rareExp4(f32x4.sub(last, shift));
    total4 = f32x4.add(total4, last);
  }
  const total = addLanes(total4); // 0 where everything is masked, NaN where a score is NaN
  const divisor = f32x4.splat(total == 0 ? 1 : total);
  for (let at: usize = 0; at < whole; at += 16) {
    v128.store(out + at, f32x4.div(v128.load(out + at), divisor));
  }
  if (rest) storeLanes(out + whole, f32x4.div(last, divisor), rest);
  if (open && total != total) {
    for (let i = 0; i < width; i++) if (!load<i32>(open + (<usize>i << 2))) store<f32>(out + (<usize>i << 2), 0);
  }
}

@inline
function score(x: usize, bias: usize, open: usize, scale: f32, at: usize): v128 {
  let value = v128.load(x + at);
  if (bias) value = f32x4.add(value, v128.load(bias + at));
  value = f32x4.mul(value, f32x4.splat(scale));
  if (open) value = v128.bitselect(value, f32x4.splat(-Infinity), i32x4.ne(v128.load(open + at), i32x4.splat(0)));
  return value;
}

/** One row of `softmaxGradient`; g is ignored where y is 0. `out` may be `g`. */
export function softmaxGradientRow(y: usize, g: usize, scale: f32, width: i32, out: usize): void {
  const whole = <usize>(width & ~3) << 2;
  const rest = width & 3;
  let sum = sumOfProducts(y, g, width);
  const careful = !(abs(sum) < 1e30); // sum, or g - sum, may be infinite or NaN
  if (careful) {
    for (let at: usize = 0; at < whole; at += 16) v128.store(out + at, weighed(y, g, at));
    if (rest) storeLanes(out + whole, weighed(y, g, whole), rest);
    g = out;
    sum = sumOfProducts(y, g, width);
  }
  const total = f32x4.splat(sum);
  for (let at: usize = 0; at < whole; at += 16) v128.store(out + at, gradient(y, g, total, scale, at));
  if (rest) storeLanes(out + whole, gradient(y, g, total, scale, whole), rest);
  if (careful) {
    for (let i = 0; i < width; i++) if (load<f32>(y + (<usize>i << 2)) == 0) store<f32>(out + (<usize>i << 2), 0);
  }
}

function sumOfProducts(y: usize, g: usize, width: i32): f32 {
  const whole = <usize>(width & ~3) << 2;
  const rest = width & 3;
  let total4 = f32x4.splat(0);
  for (let at: usize = 0; at < whole; at += 16) {
    total4 = f32x4.add(total4, f32x4.mul(v128.load(y + at), v128.load(g + at)));
  }
  if (rest) {
    const last = f32x4.mul(v128.load(y + whole), v128.load(g + whole));
    total4 = f32x4.add(total4, firstLanes(last, rest, f32x4.splat(0)));
  }
  return addLanes(total4);
}

/** g where y is not 0. */
@inline
function weighed(y: usize, g: usize, at: usize): v128 {
  return v128.and(v128.load(g + at), f32x4.ne(v128.load(y + at), f32x4.splat(0)));
}

@inline
function gradient(y: usize, g: usize, total: v128, scale: f32, at: usize): v128 {
  const difference = f32x4.sub(v128.load(g + at), total);
  return f32x4.mul(f32x4.mul(v128.load(y + at), difference), f32x4.splat(scale));
}
