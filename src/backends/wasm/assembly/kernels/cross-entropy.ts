/** Cross-entropy from logits, and its gradient. */
import { addLanes, firstLanes, maxLane, storeLanes } from '../lib/lanes';
import { exp4, rareExp4 } from '../lib/math';
import { endOf, firstOf } from '../lib/part';

/**
 * Computes the loss of each row of x, 0 where the target is `ignored`. Returns the position of the
 * first target that is neither `ignored` nor a class, or -1.
 */
export function crossEntropy(x: usize, targets: usize, ignored: i32, rows: i32, width: i32, out: usize): i32 {
  const end = endOf(rows, 1);
  for (let row = firstOf(rows, 1); row < end; row++) {
    const target = load<i32>(targets + (<usize>row << 2));
    let loss: f32 = 0;
    if (target != ignored) {
      if (<u32>target >= <u32>width) return row;
      const from = x + (<usize>row * width << 2);
      const largest = largestOf(from, width);
      const total = Math.log(<f64>addLanes(powers(from, width, largest, 0)));
      loss = <f32>(total + (<f64>largest - <f64>load<f32>(from + (<usize>target << 2))));
    }
    store<f32>(out + (<usize>row << 2), loss);
  }
  return -1;
}

/** (softmax(x) - oneHot(target)) * g for each row, 0 where the target is `ignored`. */
export function crossEntropyGradient(x: usize, targets: usize, g: usize, ignored: i32, rows: i32, width: i32, out: usize): void {
  const bytes = <usize>width << 2, whole = bytes & ~15;
  const end = endOf(rows, 1);
  for (let row = firstOf(rows, 1); row < end; row++) {
    const target = load<i32>(targets + (<usize>row << 2));
    const from = x + <usize>row * bytes, to = out + <usize>row * bytes;
    if (target == ignored) {
      memory.fill(to, 0, bytes);
      continue;
    }
    const largest = largestOf(from, width);
    const share = load<f32>(g + (<usize>row << 2));
    const factor = f32x4.splat(share / addLanes(powers(from, width, largest, to)));
    for (let at: usize = 0; at < whole; at += 16) v128.store(to + at, f32x4.mul(v128.load(to + at), factor));
    for (let at = whole; at < bytes; at += 4) store<f32>(to + at, load<f32>(to + at) * f32x4.extract_lane(factor, 0));
    const own = to + (<usize>target << 2);
    store<f32>(own, load<f32>(own) - share);
  }
}

function largestOf(x: usize, width: i32): f32 {
  const none = f32x4.splat(-Infinity);
  const whole = <usize>(width & ~3) << 2;
  let largest = none;
  for (let at: usize = 0; at < whole; at += 16) largest = f32x4.pmax(largest, v128.load(x + at));
  if (width & 3) largest = f32x4.pmax(largest, firstLanes(v128.load(x + whole), width & 3, none));
  return maxLane(largest);
}

/**
 * Computes e^(x - largest), and writes it to `out` if that is not 0; returns the sum of each lane.
 */
function powers(x: usize, width: i32, largest: f32, out: usize): v128 {
  const whole = <usize>(width & ~3) << 2;
  const rest = width & 3;
  const shift = f32x4.splat(largest);
  let total = f32x4.splat(0);
  for (let at: usize = 0; at < whole; at += 16) {
    const power = exp4(f32x4.sub(v128.load(x + at), shift));
    if (out) v128.store(out + at, power);
    total = f32x4.add(total, power);
  }
  if (rest) {
    const power = rareExp4(f32x4.sub(v128.load(x + whole), shift));
    if (out) storeLanes(out + whole, power, rest);
    total = f32x4.add(total, firstLanes(power, rest, f32x4.splat(0)));
  }
  return total;
}
