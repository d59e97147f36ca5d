/**
 * The header of a safetensors file. It is treated as hostile until every number in it is checked:
 * no allocation depends on a size that it states.
 */
import { MemgradError } from '../errors.js';
import { requireBytes } from './bytes.js';
import { formats, readable } from './dtypes.js';
import { cut, JsonScanner } from './json-scanner.js';

/** A tensor as the header describes it. */
export interface Entry {
  readonly name: string;
  /** The dtype as the file spells it, such as BF16. */
  readonly code: string;
  readonly shape: readonly number[];
  /** The range of its bytes in the data. */
  readonly begin: number;
  readonly end: number;
}

/** The contents of a file. */
export interface Header {
  /** The tensors in the order of their data. */
  readonly entries: readonly Entry[];
  /** Has no prototype, so no key in a file can reach one. */
  readonly metadata: Record<string, string>;
  /** Everything after the header. */
  readonly data: Uint8Array;
}

export const METADATA = '__metadata__';
export const LENGTH_BYTES = 8;
/**
 * The reference implementation's limit, far above real headers and below the maximum length of a
 * JavaScript string.
 */
export const MAX_HEADER_BYTES = 100_000_000;
/**
 * Real files have a dozen strings and some thousand tensors. Each takes far more memory than its
 * text.
 */
const most = { strings: 100_000, tensors: 250_000 };
const CHECK_WHOLE = 'check that it is a safetensors file and was copied whole';
const WRITE_AGAIN = 'write the file again with a safetensors library';
/** The form of a dtype name, including dtypes of newer libraries. */
const DTYPE = /^[A-Z][A-Z0-9_]{0,30}$/;

/** Untrusted text as a literal for messages, truncated. */
export function quoted(text: string): string {
  return cut(JSON.stringify(text.slice(0, 100)));
}

function twice(name: string): never {
  throw new MemgradError(
    `The safetensors header has the name ${quoted(name)} twice in one object, but each name must be unique; ${WRITE_AGAIN}.`,
  );
}

/**
 * Throws `MemgradError` for lone surrogates, which have no UTF-8 form: TextEncoder would change
 * them silently, and other readers refuse their escapes.
 */
export function checkText(what: string, text: string): void {
  if (!/\p{Surrogate}/u.test(text)) return;
  throw new MemgradError(
    `${what} is ${quoted(text)}, but it must be a string of valid Unicode; change it to one.`,
  );
}

/**
 * The number of bytes that a shape needs. Overflow is an error even if a length is 0, since strides
 * are products too.
 */
function byteLength(name: string, shape: readonly number[], bits: number): number {
  let bytes = bits / 8;
  for (const length of shape) bytes *= Math.max(length, 1);
  if (bytes > Number.MAX_SAFE_INTEGER) refuseShape(name, `[${shape.join()}]`);
  return shape.includes(0) ? 0 : bytes;
}

function refuseShape(name: string, shape: string): never {
  throw new MemgradError(
    `Tensor ${quoted(name)} has shape ${cut(shape)}, but a shape must be a short list of whole numbers, 0 or more, of less than 2^53 bytes in all; correct the shape.`,
  );
}

/**
 * Reads the description of one tensor. It must have exactly three fields, since an unknown field
 * could change the meaning of the data.
 */
function readDescription(json: JsonScanner, name: string, dataLength: number): Entry {
  checkText('A safetensors tensor name', name);
  const start = json.at;
  const refuse = (): never => {
    throw new MemgradError(
      `Tensor ${quoted(name)} is described by ${json.shown(start)}, but exactly "dtype", "shape" and "data_offsets" were expected; ${WRITE_AGAIN}.`,
    );
  };
  if (!json.begins('{')) refuse();
  let code: string | undefined;
  let shape: number[] | undefined;
  let offsets: number[] | undefined;
  json.members((field) => {
    if (field === 'dtype') code = readDtype(json, name);
    else if (field === 'shape') shape = json.sizes() ?? refuseShape(name, json.shown());
    else if (field === 'data_offsets') offsets = readOffsets(json, name, dataLength);
    else refuse();
  }, twice);
  if (code === undefined || shape === undefined || offsets === undefined) return refuse();

  const format = formats.get(code);
  const needed = byteLength(name, shape, format?.bits ?? 8);
  const [begin, end] = offsets;
  if (format !== undefined && end - begin !== needed) {
    throw new MemgradError(
      `Tensor ${quoted(name)} has ${end - begin} bytes of data, but its shape ${cut(`[${shape.join()}]`)} of ${code} needs ${needed}; correct the shape or the data.`,
    );
  }
  return { name, code, shape, begin, end };
}

function readDtype(json: JsonScanner, name: string): string {
  const start = json.at;
  const code = json.begins('"') ? json.string() : '';
  if (DTYPE.test(code)) return code;
  throw new MemgradError(
    `Tensor ${quoted(name)} has dtype ${json.shown(start)}, but one such as ${readable()} was expected; convert it to one of them.`,
  );
}

function readOffsets(json: JsonScanner, name: string, dataLength: number): number[] {
  const start = json.at;
  const offsets = json.sizes();
  if (offsets?.length !== 2) {
    throw new MemgradError(
      `Tensor ${quoted(name)} has data_offsets ${json.shown(start)}, but two whole numbers from 0 to 2^53-1 were expected; ${WRITE_AGAIN}.`,
    );
  }
  const [begin, end] = offsets;
  if (begin > end || end > dataLength) {
    throw new MemgradError(
      `Tensor ${quoted(name)} has data_offsets ${json.shown(start)}, but they must be in order and within the ${dataLength} bytes of data; ${CHECK_WHOLE}.`,
    );
  }
  return offsets;
}

/**
 * Throws `MemgradError` unless `description`, the JSON of a tensor in a file, would be readable.
 */
export function checkDescription(name: string, description: string, dataLength: number): void {
  readDescription(new JsonScanner(description), name, dataLength);
}

function readMetadata(json: JsonScanner): Record<string, string> {
  const metadata = Object.create(null) as Record<string, string>;
  if (json.null()) return metadata; // the reference implementation reads it
  if (!json.begins('{')) {
    throw new MemgradError(
      `The safetensors metadata is ${json.shown()}, but "${METADATA}" must be an object of strings; ${WRITE_AGAIN}.`,
    );
  }
  let count = 0;
  json.members((key) => {
    requireCount('metadata', 'strings', ++count);
    checkText('A safetensors metadata key', key);
    if (!json.begins('"')) refuseMetadata(key, json.shown());
    metadata[key] = json.string();
    checkText(`The safetensors metadata value of ${quoted(key)}`, metadata[key]);
  }, twice);
  return metadata;
}

/** Throws `MemgradError` for more tensors or metadata strings than a file may have. */
export function requireCount(where: string, what: keyof typeof most, count: number): void {
  if (count <= most[what]) return;
  throw new MemgradError(
    `The safetensors ${where} has more than ${most[what]} ${what}, but at most that many are read; write fewer of them to a file.`,
  );
}

/** Throws `MemgradError` for a metadata value that isn't a valid string. */
export function refuseMetadata(key: string, shown: string): never {
  throw new MemgradError(
    `The safetensors metadata value of ${quoted(key)} is ${shown}, but it must be a string of valid Unicode; change it to one.`,
  );
}

/**
 * Throws `MemgradError` for overlaps and holes: the tensors must cover the data exactly, so no byte
 * is read twice or hidden.
 */
function checkLayout(entries: readonly Entry[], dataLength: number): void {
  let position = 0;
  for (const { name, begin, end } of entries) {
    if (begin !== position) {
      const fault = begin < position ? 'overlaps another tensor' : 'leaves a hole before it';
      throw new MemgradError(
        `Tensor ${quoted(name)} begins at byte ${begin} and ${fault}, but it must begin at byte ${position}; ${WRITE_AGAIN}.`,
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

function textOf(header: Uint8Array): string {
  if (header[0] !== 0x7b) {
    const came = header.length === 0 ? 'is empty' : `starts with byte ${header[0]}`;
    throw new MemgradError(
      `The safetensors header ${came}, but it must be a JSON object starting with "{" (byte 123); ${CHECK_WHOLE}.`,
    );
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(header);
  } catch (cause) {
    throw new MemgradError(
      `The safetensors header holds bytes that are not UTF-8, but it must be UTF-8 text; ${CHECK_WHOLE}.`,
      { cause },
    );
  }
}

/**
 * Reads everything in a file but its data. Throws `MemgradError` for a file that doesn't conform to
 * the format.
 */
export function readHeader(bytes: Uint8Array): Header {
  requireBytes('decodeSafetensors', bytes);
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
  const dataLength = bytes.length - dataStart;
  // A copy, since TextDecoder doesn't read shared memory.
  const text = textOf(bytes.slice(LENGTH_BYTES, dataStart));
  const entries: Entry[] = [];
  let metadata = Object.create(null) as Record<string, string>;
  try {
    const json = new JsonScanner(text);
    json.members((name) => {
      if (name === METADATA) metadata = readMetadata(json);
      else entries.push(readDescription(json, name, dataLength));
      requireCount('header', 'tensors', entries.length);
    }, twice);
    json.end();
  } catch (cause) {
    if (cause instanceof MemgradError) throw cause;
    throw new MemgradError(
      `The safetensors header is ${quoted(text)}, which is not valid JSON, but it must be; ${WRITE_AGAIN}.`,
      { cause },
    );
  }
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end);
  checkLayout(entries, dataLength);
  return { entries, metadata, data: bytes.subarray(dataStart) };
}
