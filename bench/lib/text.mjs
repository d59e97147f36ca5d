/** Converts typed arrays to text and back, in Node and in browsers. */

/** Returns the bytes of a typed array in base64. */
export function encode(values) {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  let text = '';
  for (let i = 0; i < bytes.length; i += 4096) {
    text += String.fromCharCode(...bytes.subarray(i, i + 4096));
  }
  return btoa(text);
}

/** Returns the array of type `Type` that was encoded by `encode`. */
export function decode(text, Type = Float32Array) {
  return new Type(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer);
}
