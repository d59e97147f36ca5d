/** 16-bit floats: IEEE 754 binary16 (F16) and the upper half of binary32 (BF16). */

/** Converts F16 to float32, exactly. */
export function wideHalf(halves: Uint16Array): Float32Array {
  const bits = new Uint32Array(halves.length);
  for (let i = 0; i < bits.length; i++) {
    const sign = (halves[i] & 0x8000) << 16;
    const exponent = (halves[i] >> 10) & 31;
    const fraction = halves[i] & 0x3ff;
    if (exponent === 31) bits[i] = sign | 0x7f800000 | (fraction << 13);
    else if (exponent > 0) bits[i] = sign | ((exponent + 112) << 23) | (fraction << 13);
    else if (fraction === 0) bits[i] = sign;
    else {
      const shift = Math.clz32(fraction) - 21; // a denormal of F16 is a normal float32
      bits[i] = sign | ((113 - shift) << 23) | (((fraction << shift) & 0x3ff) << 13);
    }
  }
  return new Float32Array(bits.buffer);
}

/** Converts BF16 to float32, exactly. */
export function wideBrain(halves: Uint16Array): Float32Array {
  const bits = new Uint32Array(halves.length);
  for (let i = 0; i < bits.length; i++) bits[i] = halves[i] << 16;
  return new Float32Array(bits.buffer);
}

/**
 * Rounds to the nearest F16 or BF16, ties to even. As in PyTorch's `.half()` and `.bfloat16()`,
 * values that are too large become infinite, float64 is rounded to float32 first, and NaN stays
 * NaN.
 */
export function half(data: Float32Array | Float64Array, code: 'F16' | 'BF16'): Uint16Array {
  const narrow = code === 'F16' ? toHalf : toBrain;
  const float = new Float32Array(1);
  const bits = new Uint32Array(float.buffer);
  const halves = new Uint16Array(data.length);
  for (let i = 0; i < data.length; i++) {
    float[0] = data[i];
    halves[i] = ((bits[0] >>> 16) & 0x8000) | narrow(bits[0] & 0x7fffffff);
  }
  return halves;
}

/** Converts the bits of a float32 without its sign to F16. */
function toHalf(bits: number): number {
  if (bits > 0x7f800000) return 0x7e00; // NaN
  if (bits >= 0x477ff000) return 0x7c00; // 65520 and more
  if (bits >= 0x38800000) return roundedShift(bits - 0x38000000, 13);
  const shift = 126 - (bits >>> 23); // a denormal: a multiple of 2^-24
  return shift > 24 ? 0 : roundedShift((bits & 0x7fffff) | 0x800000, shift);
}

function toBrain(bits: number): number {
  return bits > 0x7f800000 ? 0x7fc0 : roundedShift(bits, 16);
}

/** Returns `value` / 2^`shift`, rounded to nearest, ties to even. */
function roundedShift(value: number, shift: number): number {
  const down = value >>> shift;
  const rest = value & ((1 << shift) - 1);
  const middle = 1 << (shift - 1);
  return rest > middle || (rest === middle && (down & 1) === 1) ? down + 1 : down;
}
