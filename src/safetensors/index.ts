/** Reading and writing safetensors files. */
import { describe, MemgradError } from '../errors.js';
import { checkOptions, type OptionNames } from '../options.js';
import { isA, type OwnBytes } from './bytes.js';
import {
  bytesOf,
  copyElements,
  dtypeOf,
  formats,
  readable,
  type StoredData,
  type StoredDType,
  written,
} from './dtypes.js';
import { half } from './half.js';
import {
  checkDescription,
  checkText,
  type Entry,
  LENGTH_BYTES,
  MAX_HEADER_BYTES,
  METADATA,
  quoted,
  readHeader,
  refuseMetadata,
  requireCount,
} from './header.js';

export type { StoredDType } from './dtypes.js';

/** One tensor in memory. `data` is row-major; its length is the product of `shape`. */
export interface StoredTensor {
  readonly dtype: StoredDType;
  readonly shape: readonly number[];
  readonly data: StoredData;
}

/** One tensor of a file that can't be converted to a dtype of memgrad. */
export interface UnreadableTensor {
  /** The dtype as the file spells it, such as F8_E4M3. */
  readonly dtype: string;
  readonly shape: readonly number[];
  /** The reason why it wasn't converted. */
  readonly reason: string;
}

/** The contents of a safetensors file. */
export interface SafetensorsFile {
  /**
   * The tensors in the order of their data. `get` throws `MemgradError` for a name in `unreadable`.
   */
  readonly tensors: Map<string, StoredTensor>;
  /** The tensors that couldn't be converted. */
  readonly unreadable: Map<string, UnreadableTensor>;
  /** Has no prototype, so no key in a file can reach one. */
  readonly metadata: Record<string, string>;
}

/** Options of `encodeSafetensors`. */
export interface EncodeOptions {
  /**
   * Writes float32 and float64 as F16 or BF16, half the size of F32, rounded to nearest, ties to
   * even. As in PyTorch's `.half()` and `.bfloat16()`, values that are too large become infinite
   * (65,520 and more in F16) and float64 is rounded to float32 first. int32 stays I32.
   */
  dtype?: 'F16' | 'BF16';
}

const encodeOptions: OptionNames<EncodeOptions> = { dtype: 1 };
const ALIGNMENT = 8;

/**
 * Returns `metadata` as sorted pairs. Throws `MemgradError` unless it is a plain object of strings.
 */
function checkedMetadata(metadata: Readonly<Record<string, string>>): [string, string][] {
  if (!isA('Object', metadata)) {
    throw new MemgradError(
      `The safetensors metadata is ${describe(metadata)}, but it must be an object of strings; pass { key: 'text' }.`,
    );
  }
  const pairs = Object.entries(metadata);
  requireCount('metadata', 'strings', pairs.length);
  for (const [key, text] of pairs) {
    checkText('A safetensors metadata key', key);
    if (typeof text !== 'string') refuseMetadata(key, describe(text));
    checkText(`The safetensors metadata value of ${quoted(key)}`, text);
  }
  return pairs.sort(([a], [b]) => (a < b ? -1 : 1));
}

/**
 * Throws `MemgradError` unless `tensor` has a dtype, the matching array and a list of numbers as
 * its shape. `checkDescription` checks the numbers.
 */
function checkTensor(name: unknown, tensor: StoredTensor): void {
  const refuse = (what: string): never => {
    throw new MemgradError(`${what}; pass { dtype, shape, data }, as readArrays returns them.`);
  };
  if (typeof name !== 'string') {
    refuse(`A safetensors tensor name is ${describe(name)}, but it must be a string`);
  }
  if (name === METADATA) {
    throw new MemgradError(
      `A tensor is named "${METADATA}", but that name is reserved for the metadata of the file; rename the tensor.`,
    );
  }
  const who = `Tensor ${quoted(name as string)}`;
  if (typeof tensor !== 'object' || tensor === null) {
    refuse(`${who} is ${describe(tensor)}, but an object was expected`);
  }
  const { dtype, shape, data } = tensor;
  const known = written.get(dtype);
  if (known === undefined) {
    throw new MemgradError(
      `${who} has dtype ${describe(dtype)}, but only ${[...written.keys()].join(', ')} are supported; convert it to one of them.`,
    );
  }
  if (!isA(known[1], data)) {
    const advice =
      typeof data === 'function'
        ? 'pass what readArrays of memgrad/models returns'
        : 'convert the data';
    throw new MemgradError(
      `${who} of dtype ${dtype} has its data in ${describe(data)}, but ${known[1]} was expected; ${advice}.`,
    );
  }
  if (!Array.isArray(shape) || shape.some((length) => typeof length !== 'number')) {
    refuse(`${who} has shape ${describe(shape)}, but a list of numbers was expected`);
  }
}

/**
 * Writes tensors as one safetensors file. The same tensors and metadata make the same bytes, whatever
 * their order in the maps: names are sorted by UTF-16 code unit and the data follows in that order.
 * Without `dtype`, elements are copied bit for bit: NaN, infinities and -0 are kept.
 *
 * @param tensors a Map by name; `new Map(Object.entries(arrays))` makes one of an object
 * @param metadata strings kept in the header; none and `{}` are the same
 * @throws MemgradError if a name is "__metadata__", a name or metadata string is not valid Unicode, a
 *   dtype is not supported, `data` is not the array of its dtype, a shape does not match the length of
 *   `data`, the header would be over 100 MB, or an option does not exist
 * @see The safetensors format, Hugging Face: https://huggingface.co/docs/safetensors/index#format
 */
export function encodeSafetensors(
  tensors: ReadonlyMap<string, StoredTensor>,
  metadata: Readonly<Record<string, string>> = {},
  options: EncodeOptions = {},
): OwnBytes {
  checkOptions('encodeSafetensors', options, encodeOptions);
  const narrow = options.dtype;
  if (narrow !== undefined && narrow !== 'F16' && narrow !== 'BF16') {
    throw new MemgradError(
      `The dtype to write is ${describe(narrow)}, but 'F16' or 'BF16' was expected; leave it out to keep the dtypes.`,
    );
  }
  if (!isA('Map', tensors)) {
    throw new MemgradError(
      `The tensors to write are ${describe(tensors)}, but a Map by name was expected; pass new Map(Object.entries(tensors)).`,
    );
  }
  requireCount('header', 'tensors', tensors.size);
  // Joined by hand, since an object would put names such as "10" first and lose "__proto__".
  const fields: string[] = [];
  const strings = checkedMetadata(metadata).map(
    ([key, text]) => `${JSON.stringify(key)}:${JSON.stringify(text)}`,
  );
  if (strings.length > 0) fields.push(`"${METADATA}":{${strings.join()}}`);
  const parts: ArrayBufferView[] = [];
  let end = 0;
  for (const [name, tensor] of [...tensors].sort(([a], [b]) => (a < b ? -1 : 1))) {
    checkTensor(name, tensor);
    const { dtype, shape, data } = tensor;
    const narrowed = narrow !== undefined && dtype !== 'int32';
    const part = narrowed ? half(data as Float32Array | Float64Array, narrow) : data;
    const begin = end;
    end += part.byteLength;
    const code = narrowed ? narrow : written.get(dtype)?.[0];
    const description = JSON.stringify({ dtype: code, shape, data_offsets: [begin, end] });
    checkDescription(name, description, end); // writes only what the reader accepts
    fields.push(`${JSON.stringify(name)}:${description}`);
    parts.push(part);
  }
  const header = new TextEncoder().encode(`{${fields.join()}}`);
  const headerLength = Math.ceil(header.length / ALIGNMENT) * ALIGNMENT; // LENGTH_BYTES is a multiple of ALIGNMENT
  if (headerLength > MAX_HEADER_BYTES) {
    throw new MemgradError(
      `The safetensors header would be ${headerLength} bytes long, but readers accept at most ${MAX_HEADER_BYTES}; store less metadata or fewer tensors.`,
    );
  }
  const file = new Uint8Array(LENGTH_BYTES + headerLength + end);
  new DataView(file.buffer).setBigUint64(0, BigInt(headerLength), true);
  file.fill(0x20, LENGTH_BYTES, LENGTH_BYTES + headerLength);
  file.set(header, LENGTH_BYTES);
  let position = LENGTH_BYTES + headerLength;
  for (const part of parts) {
    const to = file.subarray(position, position + part.byteLength);
    copyElements(to, bytesOf(part), (part as Float32Array).BYTES_PER_ELEMENT);
    position += part.byteLength;
  }
  return file;
}

/** The tensors of a file with some that couldn't be read: `get` throws the reason for those. */
class ReadTensors extends Map<string, StoredTensor> {
  readonly #unreadable: ReadonlyMap<string, UnreadableTensor>;

  constructor(
    tensors: ReadonlyMap<string, StoredTensor>,
    unreadable: ReadonlyMap<string, UnreadableTensor>,
  ) {
    super(tensors);
    this.#unreadable = unreadable;
  }

  override get(name: string): StoredTensor | undefined {
    const found = super.get(name);
    const { dtype, reason } = (found ? undefined : this.#unreadable.get(name)) ?? {};
    if (reason === undefined) return found;
    throw new MemgradError(
      `Tensor ${quoted(name)} of dtype ${dtype} was not read: ${reason}; convert it before writing the file.`,
    );
  }
}

/** Converts one tensor of a file, or returns the reason why it can't be converted. */
export function convert(
  { code, shape, begin, end }: Entry,
  data: Uint8Array,
): StoredTensor | UnreadableTensor {
  const made =
    formats.get(code)?.decode?.(data.subarray(begin, end)) ?? `only ${readable()} are read`;
  if (typeof made === 'string') return { dtype: code, shape, reason: made };
  return { dtype: dtypeOf(made), shape, data: made };
}

/**
 * Reads a safetensors file, trusting nothing in it. The tensors come in the order of their data;
 * their arrays are copies: `bytes` may start at any offset and is not kept.
 *
 * F32, F64 and I32 are copied bit for bit. F16 and BF16 become float32, exactly; I8, U8, I16, U16 and
 * BOOL int32; I64, U32 and U64 int32 where every value fits. A tensor that has no place in memory
 * (F8, complex numbers, a value beyond int32) is listed in `unreadable`; the others are read.
 *
 * @throws MemgradError if the file is cut short, its header is over 100 MB, not UTF-8, not a JSON
 *   object, names anything twice or over 250,000 tensors, a tensor has a bad shape or data that
 *   does not match its shape, tensors overlap or leave bytes over, or metadata is not strings
 * @see The safetensors format, Hugging Face: https://huggingface.co/docs/safetensors/index#format
 */
export function decodeSafetensors(bytes: Uint8Array): SafetensorsFile {
  const { entries, metadata, data } = readHeader(bytes);
  const unreadable = new Map<string, UnreadableTensor>();
  const tensors = new Map<string, StoredTensor>();
  // `readHeader` checked every number, so the sizes below are backed by actual bytes.
  for (const entry of entries) {
    const made = convert(entry, data);
    if ('data' in made) tensors.set(entry.name, made);
    else unreadable.set(entry.name, made);
  }
  const all = unreadable.size > 0 ? new ReadTensors(tensors, unreadable) : tensors;
  return { tensors: all, unreadable, metadata };
}
