/**
 * The header of a safetensors file. It is hostile until every number in it is checked: nothing is
 * allocated by a size that it states.
 */
import { MemgradError } from '../errors.js';
import { requireBytes } from './bytes.js';
import { formats, readable } from './dtypes.js';
import { cut, JsonScanner } from './json-scanner.js';

/** A tensor as the header describes it. */
export interface Entry {
  readonly name: string;
  /** As the file spells it, such as BF16. */
  readonly code: string;
  readonly shape: readonly number[];
  /** Where its bytes stand in the data. */
  readonly begin: number;
  readonly end: number;
}

/** All that a file says before its data. */
export interface Header {
  /** In the order of their data. */
  readonly entries: readonly Entry[];
  /** Without a prototype, so that no key in a file can reach one. */
  readonly metadata: Record<string, string>;
  /** All that comes after the header. */
  readonly data: Uint8Array;
}

export const METADATA = '__metadata__';
export const LENGTH_BYTES = 8;
/** The reference implementation's limit, far above real headers and below what a JavaScript string can hold. */
export const MAX_HEADER_BYTES = 100_000_000;
/** Files have a dozen strings and some thousand tensors. More of them take far more memory than their text. */
const most = { strings: 100_000, tensors: 250_000 };
const CHECK_WHOLE = 'check that it is a safetensors file and was copied whole';
const WRITE_AGAIN = 'write the file again with a safetensors library';
/** What a library newer than ours may call a dtype. */
const DTYPE = /^[A-Z][A-Z0-9_]{0,30}$/;

/** Text from outside as a literal, cut short. */
export function quoted(text: string): string {
  return cut(JSON.stringify(text.slice(0, 100)));
}

function twice(name: string): never {
  throw new MemgradError(
    `The safetensors header has the name ${quoted(name)} twice in one object, but each name must be unique; ${WRITE_AGAIN}.`,
  );
}

/** Lone surrogates have no UTF-8 form: TextEncoder would change them silently, and other readers refuse their escapes. */
export function checkText(what: string, text: string): void {
  if (!/\p{Surrogate}/u.test(text)) return;
  throw new MemgradError(
    `${what} is ${quoted(text)}, but it must be a string of valid Unicode; change it to one.`,
  );
}

/** The bytes that a shape needs. A 0 among its entries excuses no overflow in the others: strides are products too. */
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

/** Reads the description of one tensor: exactly three fields, since one that we do not know could change what the data means. */
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

/** Throws `MemgradError` unless a file that describes `name` so, as JSON, would be read. */
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

/** Throws `MemgradError` for more tensors or strings of metadata than are read from a file. */
export function requireCount(where: string, what: keyof typeof most, count: number): void {
  if (count <= most[what]) return;
  throw new MemgradError(
    `The safetensors ${where} has more than ${most[what]} ${what}, but at most so many are read; write fewer of them to a file.`,
  );
}

/** Throws the message of a metadata value that is no string. */
export function refuseMetadata(key: string, shown: string): never {
  throw new MemgradError(
    `The safetensors metadata value of ${quoted(key)} is ${shown}, but it must be a string of valid Unicode; change it to one.`,
  );
}

/** Refuses overlaps and holes: together the tensors must be all of the data, so no byte is read twice or hidden. */
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

/** Reads all of a file but its data. Throws `MemgradError` for a file that is not exactly what the format says. */
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
  // A copy: no TextDecoder reads memory that threads share.
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
