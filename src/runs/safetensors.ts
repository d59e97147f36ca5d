// Reading and writing safetensors files. A file is hostile until every number in it is checked, so
// the reader works in two steps: check the whole header, then copy. Nothing sized by a number from
// the file is allocated in the first step, and a refused file leaves nothing half read.

import { MemgradError } from '../errors.js';

/** The dtypes that are written and read: F32, F64 and I32. */
export type StoredDType = 'float32' | 'float64' | 'int32';

/** One tensor as a file holds it: `data` has as many elements as the product of `shape`, in row-major order. */
export interface StoredTensor {
  readonly dtype: StoredDType;
  readonly shape: readonly number[];
  readonly data: Float32Array | Float64Array | Int32Array;
}

interface Kind {
  readonly code: string;
  readonly dtype: StoredDType;
  readonly size: number;
  readonly create: (length: number) => Float32Array | Float64Array | Int32Array;
}

interface Entry {
  readonly name: string;
  readonly kind: Kind;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

const KINDS: readonly Kind[] = [
  { code: 'F32', dtype: 'float32', size: 4, create: (length) => new Float32Array(length) },
  { code: 'F64', dtype: 'float64', size: 8, create: (length) => new Float64Array(length) },
  { code: 'I32', dtype: 'int32', size: 4, create: (length) => new Int32Array(length) },
];
const METADATA = '__metadata__';
const LENGTH_BYTES = 8;
const ALIGNMENT = 8;
/** The reference implementation's limit, far above real headers and below what a JavaScript string can hold. */
const MAX_HEADER_BYTES = 100_000_000;
const BIG_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 0;
const CHECK_WHOLE = 'check that it is a safetensors file and was copied whole';
const WRITE_AGAIN = 'write the file again with a safetensors library';

/** A value for a message, cut short: a hostile file must not choose the size of our messages. */
function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

/** A size as JSON may state it: `1.5`, `-1`, `-0`, `"1"` and what a double cannot count exactly are not. */
function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && !Object.is(value, -0) && (value as number) >= 0;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function findKind(name: string, key: 'code' | 'dtype', value: unknown): Kind {
  const kind = KINDS.find((known) => known[key] === value);
  if (kind !== undefined) return kind;
  throw new MemgradError(
    `Tensor ${show(name)} has dtype ${show(value)}, but only ${KINDS.map((known) => known[key]).join(', ')} are supported; convert it to one of them.`,
  );
}

/** The bytes that a shape needs. A 0 among its entries excuses no overflow in the others: strides are products too. */
function byteLength(name: string, shape: unknown, size: number): number {
  let bytes = size;
  for (const length of Array.isArray(shape) ? (shape as unknown[]) : [undefined]) {
    bytes *= isSize(length) ? Math.max(length, 1) : NaN;
  }
  if (!Number.isSafeInteger(bytes)) {
    throw new MemgradError(
      `Tensor ${show(name)} has shape ${show(shape)}, but a shape must be a list of whole numbers, 0 or more, of less than 2^53 bytes in all; correct the shape.`,
    );
  }
  return (shape as number[]).includes(0) ? 0 : bytes;
}

/** Lone surrogates have no UTF-8 form: TextEncoder would change them silently, and other readers refuse their escapes. */
function checkText(what: string, text: unknown): asserts text is string {
  if (typeof text !== 'string' || /\p{Surrogate}/u.test(text)) {
    throw new MemgradError(
      `${what} is ${show(text)}, but it must be a string of valid Unicode; change it to one.`,
    );
  }
}

/** Copies elements between memory and the file, which is little-endian whatever the machine. */
function copyElements(to: Uint8Array, from: Uint8Array, size: number): void {
  to.set(from);
  if (BIG_ENDIAN) for (let at = 0; at < to.length; at += size) to.subarray(at, at + size).reverse();
}

function bytesOf(array: ArrayBufferView): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

/**
 * Refuses what JSON.parse would hide or choke on: a name given twice in one object, where it keeps
 * only the last, and objects and lists where the format has none, such as deep or many nested lists,
 * which cost far more memory than their text. The text need not be valid JSON, since JSON.parse comes
 * after; on valid JSON every key is found.
 */
function checkKeysAndNesting(text: string): void {
  const open: (Set<string> | null)[] = []; // the keys of each open object, null for an open list
  let keyNext = false;
  for (let at = 0; at < text.length; at++) {
    const char = text[at];
    if (char === '"') {
      const start = at++;
      while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
      if (!keyNext) continue;
      keyNext = false;
      const key = String(JSON.parse(text.slice(start, at + 1))); // "a" and "\u0061" are one name
      const keys = open.at(-1);
      if (keys?.has(key)) {
        throw new MemgradError(
          `The safetensors header has the name ${show(key)} twice in one object, but each name must be unique; ${WRITE_AGAIN}.`,
        );
      }
      keys?.add(key);
    } else if (char === '{' || char === '[') {
      if (char === '{' ? open.length > 1 : open.length !== 2) {
        throw new MemgradError(
          `The safetensors header has a "${char}" at character ${at}, nested ${open.length} deep, but it may hold only objects of strings and of lists of numbers; ${WRITE_AGAIN}.`,
        );
      }
      open.push(char === '{' ? new Set() : null);
      keyNext = char === '{';
    } else if (char === '}' || char === ']') {
      open.pop();
    } else if (char === ',') {
      keyNext = open.at(-1) instanceof Set;
    }
  }
}

function parseHeader(bytes: Uint8Array): Record<string, unknown> {
  if (bytes[0] !== 0x7b) {
    const came = bytes.length === 0 ? 'is empty' : `starts with byte ${bytes[0]}`;
    throw new MemgradError(
      `The safetensors header ${came}, but it must be a JSON object starting with "{" (byte 123); ${CHECK_WHOLE}.`,
    );
  }
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new MemgradError(
      `The safetensors header holds bytes that are not UTF-8, but it must be UTF-8 text; ${CHECK_WHOLE}.`,
      { cause },
    );
  }
  try {
    checkKeysAndNesting(text);
    return JSON.parse(text) as Record<string, unknown>; // an object: it starts with "{"
  } catch (cause) {
    if (cause instanceof MemgradError) throw cause;
    throw new MemgradError(
      `The safetensors header is ${show(text)}, which is not valid JSON, but it must be; ${WRITE_AGAIN}.`,
      { cause },
    );
  }
}

function readMetadata(value: unknown): Record<string, string> {
  if (!isObject(value)) {
    throw new MemgradError(
      `The safetensors metadata is ${show(value)}, but "${METADATA}" must be an object of strings; ${WRITE_AGAIN}.`,
    );
  }
  // No prototype, so that a key such as "__proto__" is a key like any other.
  const metadata = Object.create(null) as Record<string, string>;
  for (const [key, text] of Object.entries(value)) {
    checkText('A safetensors metadata key', key);
    checkText(`The safetensors metadata value of ${show(key)}`, text);
    metadata[key] = text;
  }
  return metadata;
}

function readEntry(name: string, value: unknown, dataLength: number): Entry {
  checkText('A safetensors tensor name', name);
  // Exactly these fields: one that we do not know could change what the data means.
  if (!isObject(value) || Object.keys(value).sort().join() !== 'data_offsets,dtype,shape') {
    throw new MemgradError(
      `Tensor ${show(name)} is described by ${show(value)}, but exactly "dtype", "shape" and "data_offsets" were expected; ${WRITE_AGAIN}.`,
    );
  }
  const { dtype, shape, data_offsets: offsets } = value;
  const kind = findKind(name, 'code', dtype);
  const needed = byteLength(name, shape, kind.size);
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isSize)) {
    throw new MemgradError(
      `Tensor ${show(name)} has data_offsets ${show(offsets)}, but two whole numbers from 0 to 2^53-1 were expected; ${WRITE_AGAIN}.`,
    );
  }
  const [begin, end] = offsets as [number, number];
  if (begin > end || end > dataLength) {
    throw new MemgradError(
      `Tensor ${show(name)} has data_offsets ${show(offsets)}, but they must be in order and within the ${dataLength} bytes of data; ${CHECK_WHOLE}.`,
    );
  }
  if (end - begin !== needed) {
    throw new MemgradError(
      `Tensor ${show(name)} has ${end - begin} bytes of data, but its shape ${show(shape)} of ${kind.code} needs ${needed}; correct the shape or the data.`,
    );
  }
  return { name, kind, shape: shape as number[], begin, end };
}

/** Refuses overlaps and holes: together the tensors must be all of the data, so no byte is read twice or hidden. */
function checkLayout(entries: readonly Entry[], dataLength: number): void {
  let position = 0;
  for (const { name, begin, end } of entries) {
    if (begin !== position) {
      const fault = begin < position ? 'overlaps another tensor' : 'leaves a hole before it';
      throw new MemgradError(
        `Tensor ${show(name)} begins at byte ${begin} and ${fault}, but it must begin at byte ${position}; ${WRITE_AGAIN}.`,
      );
    }
    position = end;
  }
  if (position !== dataLength) {
    throw new MemgradError(
      `The safetensors file has ${dataLength} bytes of data, but its tensors end at byte ${position}; ${CHECK_WHOLE}.`,
    );
  }
}

/**
 * Writes tensors as one safetensors file. The same tensors and metadata give the same bytes, whatever
 * their order in the maps: names are sorted by UTF-16 code unit and the data follows in that order.
 * Elements are copied bit for bit, so NaN, infinities and -0 are kept.
 *
 * @param metadata strings kept in the header; none and `{}` are the same
 * @throws MemgradError if a name is "__metadata__", a name or metadata string is not valid Unicode, a
 *   dtype is not supported, `data` is not the array of its dtype, a shape does not match the length of
 *   `data`, or the header would be over 100 MB
 * @see The safetensors format, Hugging Face: https://huggingface.co/docs/safetensors/index#format
 */
export function encodeSafetensors(
  tensors: ReadonlyMap<string, StoredTensor>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  // Joined by hand: an object would put names such as "10" first and lose "__proto__".
  const fields: string[] = [];
  const checkedMetadata = Object.entries(readMetadata(metadata)).sort(([a], [b]) =>
    a < b ? -1 : 1,
  );
  if (checkedMetadata.length > 0) {
    fields.push(
      `"${METADATA}":{${checkedMetadata.map(([key, text]) => `${JSON.stringify(key)}:${JSON.stringify(text)}`).join()}}`,
    );
  }
  const sorted = [...tensors].sort(([a], [b]) => (a < b ? -1 : 1));
  let end = 0;
  for (const [name, { dtype, shape, data }] of sorted) {
    if (name === METADATA) {
      throw new MemgradError(
        `A tensor is named "${METADATA}", but that name is kept for the metadata of the file; rename the tensor.`,
      );
    }
    const kind = findKind(name, 'dtype', dtype);
    const expected = kind.create(0)[Symbol.toStringTag];
    if (data[Symbol.toStringTag] !== expected) {
      throw new MemgradError(
        `Tensor ${show(name)} of dtype ${dtype} has its data in a ${data[Symbol.toStringTag]}, but ${expected} was expected; convert the data.`,
      );
    }
    const begin = end;
    end += data.byteLength;
    const entry = { dtype: kind.code, shape, data_offsets: [begin, end] };
    readEntry(name, entry, end); // we write only what we would read
    fields.push(`${JSON.stringify(name)}:${JSON.stringify(entry)}`);
  }
  const header = new TextEncoder().encode(`{${fields.join()}}`);
  const headerLength = Math.ceil(header.length / ALIGNMENT) * ALIGNMENT; // LENGTH_BYTES is aligned itself
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
  for (const [, { data }] of sorted) {
    copyElements(
      file.subarray(position, position + data.byteLength),
      bytesOf(data),
      data.BYTES_PER_ELEMENT,
    );
    position += data.byteLength;
  }
  return file;
}

/**
 * Reads a safetensors file, all or nothing, trusting nothing in it. The tensors come in the order of
 * their data; their arrays are copies, so `bytes` may start at any offset and is not kept. `metadata`
 * has no prototype, so that no key in a file can reach one.
 *
 * @throws MemgradError if the file is cut short, its header is over 100 MB, not UTF-8, not a JSON
 *   object, nested as no header is or names anything twice, a tensor has an unsupported dtype, a bad shape or
 *   data that does not match its shape, tensors overlap or leave bytes over, or metadata is not strings
 * @see The safetensors format, Hugging Face: https://huggingface.co/docs/safetensors/index#format
 */
export function decodeSafetensors(bytes: Uint8Array): {
  tensors: Map<string, StoredTensor>;
  metadata: Record<string, string>;
} {
  if (bytes.length < LENGTH_BYTES) {
    throw new MemgradError(
      `The safetensors file is ${bytes.length} bytes long, but it must start with a header length of ${LENGTH_BYTES} bytes; ${CHECK_WHOLE}.`,
    );
  }
  const claimed = new DataView(bytes.buffer, bytes.byteOffset, LENGTH_BYTES).getBigUint64(0, true);
  const limit = Math.min(MAX_HEADER_BYTES, bytes.length - LENGTH_BYTES);
  if (claimed > BigInt(limit)) {
    throw new MemgradError(
      `The safetensors file claims a header of ${claimed} bytes, but in a file of ${bytes.length} bytes it can have at most ${limit}; ${CHECK_WHOLE}.`,
    );
  }
  const dataStart = LENGTH_BYTES + Number(claimed);
  const header = parseHeader(bytes.subarray(LENGTH_BYTES, dataStart));
  const dataLength = bytes.length - dataStart;
  const metadata = readMetadata(Object.hasOwn(header, METADATA) ? header[METADATA] : {});
  const entries = Object.entries(header)
    .filter(([name]) => name !== METADATA)
    .map(([name, value]) => readEntry(name, value, dataLength))
    .sort((a, b) => a.begin - b.begin || a.end - b.end);
  checkLayout(entries, dataLength);

  // Every number is checked: from here on the sizes are those of bytes that are really there.
  const tensors = new Map<string, StoredTensor>();
  for (const { name, kind, shape, begin, end } of entries) {
    const data = kind.create((end - begin) / kind.size);
    copyElements(bytesOf(data), bytes.subarray(dataStart + begin, dataStart + end), kind.size);
    tensors.set(name, { dtype: kind.dtype, shape, data });
  }
  return { tensors, metadata };
}
