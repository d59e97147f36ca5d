/** Random numbers. */

const ROTATIONS = [13, 15, 26, 6, 17, 29, 16, 24];

/**
 * `units(i, hi, lo)`: the uniform numbers 4 i to 4 i + 3 of a key, as Threefry-2x32 computes them
 * (../../threefry.ts): two for each of two counters.
 */
export const threefryText = `fn turned(x: vec2u, by: u32) -> vec2u { return (x << vec2u(by)) | (x >> vec2u(32u - by)); }
fn units(i: i32, hi: i32, lo: i32) -> vec4f {
  let k0 = bitcast<u32>(hi);
  let k1 = bitcast<u32>(lo);
  let k2 = k0 ^ k1 ^ 0x1bd11bdau;
  var x = vec2u(u32(i) * 2u, u32(i) * 2u + 1u) + k0;
  var y = vec2u(k1);
${Array.from({ length: 20 }, (_, round) => {
  const injection = (round + 1) / 4;
  const mix = `  x += y; y = turned(y, ${ROTATIONS[round % 8]}u) ^ x;`;
  if (round % 4 !== 3) return mix;
  return `${mix} x += k${injection % 3}; y += k${(injection + 1) % 3} + ${injection}u;`;
}).join('\n')}
  return vec4f(vec4u(x.x, y.x, x.y, y.y) >> vec4u(8u)) * 5.9604644775390625e-8;
}
`;
