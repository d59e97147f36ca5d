/**
 * The dtypes of safetensors files: their element sizes and their conversion to dtypes of memgrad.
 */
import { wideBrain, wideHalf } from './half.js';

/** The dtypes of tensors in memory. */
export type StoredDType = 'float32' | 'float64' | 'int32';

/** The elements of a stored tensor. */
export type StoredData = Float32Array | Float64Array | Int32Array;

/** How a file stores a dtype. */
interface Format {
  readonly bits: number;
  /**
   * Converts `bytes` to elements, or returns the reason why they can't be converted. Undefined for
   * dtypes that have no equivalent in memgrad.
   */
  readonly decode?: (bytes: Uint8Array) => StoredData | string;
}

type TypedArray =
  | (Int8Array | Uint8Array | Int16Array | Uint16Array | Int32Array | Uint32Array)
  | (Float32Array | Float64Array);

/** Whether this machine is; undefined before the first copy. */
let isBigEndian: boolean | undefined;

/** Copies elements between memory and a file, which is little-endian on every machine. */
export function copyElements(to: Uint8Array, from: Uint8Array, size: number): void {
  to.set(from);
  isBigEndian ??= new Uint8Array(Uint16Array.of(1).buffer)[0] === 0;
  if (isBigEndian)
    for (let at = 0; at < to.length; at += size) to.subarray(at, at + size).reverse();
}

/** The bytes of an array in memory. */
export function bytesOf(array: ArrayBufferView): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

function copied<T extends TypedArray>(
  bytes: Uint8Array,
  kind: { new (length: number): T; readonly BYTES_PER_ELEMENT: number },
): T {
  const array = new kind(bytes.length / kind.BYTES_PER_ELEMENT);
  copyElements(bytesOf(array), bytes, kind.BYTES_PER_ELEMENT);
  return array;
}

/** Converts 64-bit integers to int32, or returns a message about the first one that doesn't fit. */
function narrowed(bytes: Uint8Array, signed: boolean): Int32Array | string {
  const halves = copied(bytes, Int32Array); // low, high, low, high, ...
  const values = new Int32Array(halves.length / 2);
  for (let i = 0; i < values.length; i++) {
    const [low, high] = [halves[2 * i], halves[2 * i + 1]];
    if (signed ? high !== low >> 31 : high !== 0 || low < 0) {
      const top = BigInt(signed ? high : high >>> 0);
      return misfit((top << 32n) | BigInt(low >>> 0), i);
    }
    values[i] = low;
  }
  return values;
}

function misfit(value: number | bigint, at: number): string {
  return `element ${at} is ${value}, which does not fit int32`;
}

/** Every dtype of safetensors 0.8. */
export const formats: ReadonlyMap<string, Format> = new Map<string, Format>([
  ['F32', { bits: 32, decode: (bytes) => copied(bytes, Float32Array) }],
  ['F64', { bits: 64, decode: (bytes) => copied(bytes, Float64Array) }],
  ['I32', { bits: 32, decode: (bytes) => copied(bytes, Int32Array) }],
  ['F16', { bits: 16, decode: (bytes) => wideHalf(copied(bytes, Uint16Array)) }],
  ['BF16', { bits: 16, decode: (bytes) => wideBrain(copied(bytes, Uint16Array)) }],
  ['I64', { bits: 64, decode: (bytes) => narrowed(bytes, true) }],
  ['U64', { bits: 64, decode: (bytes) => narrowed(bytes, false) }],
  [
    'U32',
    {
      bits: 32,
      decode: (bytes) => {
        const values = copied(bytes, Int32Array);
        const at = values.findIndex((value) => value < 0);
        return at < 0 ? values : misfit(values[at] >>> 0, at);
      },
    },
  ],
  ['I16', { bits: 16, decode: (bytes) => new Int32Array(copied(bytes, Int16Array)) }],
  ['U16', { bits: 16, decode: (bytes) => new Int32Array(copied(bytes, Uint16Array)) }],
  ['I8', { bits: 8, decode: (bytes) => new Int32Array(copied(bytes, Int8Array)) }],
  ['U8', { bits: 8, decode: (bytes) => new Int32Array(bytes) }],
  ['BOOL', { bits: 8, decode: (bytes) => Int32Array.from(bytes, (byte) => (byte === 0 ? 0 : 1)) }],
  ['C64', { bits: 64 }],
  ['F8_E4M3', { bits: 8 }],
  ['F8_E5M2', { bits: 8 }],
  ['F8_E8M0', { bits: 8 }],
  ['F8_E4M3FNUZ', { bits: 8 }],
  ['F8_E5M2FNUZ', { bits: 8 }],
  ['F6_E2M3', { bits: 6 }],
  ['F6_E3M2', { bits: 6 }],
  ['F4', { bits: 4 }],
]);

/** Lists the readable dtypes, for messages. */
export function readable(): string {
  return [...formats].flatMap(([code, { decode }]) => (decode ? code : [])).join(', ');
}

/** The code and the array type of each dtype that is written without conversion. */
export const written: ReadonlyMap<string, readonly [code: string, array: string]> = new Map([
  ['float32', ['F32', 'Float32Array']],
  ['float64', ['F64', 'Float64Array']],
  ['int32', ['I32', 'Int32Array']],
]);

/** The dtype of elements that `decode` returned. */
export function dtypeOf(data: StoredData): StoredDType {
  if (data instanceof Float32Array) return 'float32';
  return data instanceof Float64Array ? 'float64' : 'int32';
}
