/** Converts typed arrays to text and back, in Node and in browsers. */

/** Node's, which takes a tenth of a second for 64 MB. */
const { Buffer } = globalThis;

/** Returns the bytes of a typed array in base64. */
export function encode(values) {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  if (Buffer) return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64');
  let text = '';
  for (let i = 0; i < bytes.length; i += 4096) {
    text += String.fromCharCode(...bytes.subarray(i, i + 4096));
  }
  return btoa(text);
}

/** Returns the array of type `Type` that was encoded by `encode`. */
export function decode(text, Type = Float32Array) {
  if (Buffer) return new Type(Uint8Array.from(Buffer.from(text, 'base64')).buffer);
  return new Type(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer);
}
