/** swiglu, a sigmoid(a) b, and its gradients. */
import { sigmoid4 } from '../lib/math';
import { endByte, firstByte } from '../lib/part';

// Buffers are padded to 16 bytes, so the last step may read and write past the end.

/** out = a sigmoid(a) b for `n` floats. */
export function swiglu(a: usize, b: usize, n: i32, out: usize): void {
  const end = endByte(n);
  for (let at = firstByte(n); at < end; at += 16) {
    const x = v128.load(a + at);
    v128.store(out + at, f32x4.mul(f32x4.mul(x, sigmoid4(x)), v128.load(b + at)));
  }
}

/** The gradients of `swiglu` with respect to a and b; g is the gradient of its result. */
export function swigluGradient(a: usize, b: usize, g: usize, n: i32, ga: usize, gb: usize): void {
  const one = f32x4.splat(1);
  const end = endByte(n);
  for (let at = firstByte(n); at < end; at += 16) {
    const x = v128.load(a + at), gradient = v128.load(g + at);
    const s = sigmoid4(x);
    const silu = f32x4.mul(x, s);
    const slope = f32x4.add(s, f32x4.mul(silu, f32x4.sub(one, s)));
    v128.store(ga + at, f32x4.mul(f32x4.mul(gradient, v128.load(b + at)), slope));
    v128.store(gb + at, f32x4.mul(gradient, silu));
  }
}
