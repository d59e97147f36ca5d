/** Untrusted JSON, checked before it is parsed. */
import { MemgradError } from 'memgrad';

/** Real fixtures are a few hundred kilobytes in size and five levels deep. */
const most = { bytes: 64 * 2 ** 20, depth: 16, nodes: 1_000_000, values: 8_000_000 };

/** The largest file that `readJson` reads. */
export const MOST_BYTES = most.bytes;

/**
 * Returns the value of a JSON file. Throws `MemgradError`, starting with `origin`, unless it is
 * JSON in UTF-8 and within the limits. JSON.parse can take a hundred times the memory of its text
 * for brackets and names, so they are counted first.
 */
export function readJson(bytes: Uint8Array, origin: string): unknown {
  if (bytes.length > most.bytes) {
    throw new MemgradError(
      `${origin} has ${bytes.length} bytes, but a fixture may have at most ${most.bytes}; check that it is one.`,
    );
  }
  checkCounts(bytes, origin);
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new MemgradError(
      `${origin} is not valid JSON in UTF-8, but a fixture must be; check that it was copied whole.`,
      { cause },
    );
  }
}

/** Counts brackets, names and values outside of strings. Text that isn't JSON may pass. */
function checkCounts(bytes: Uint8Array, origin: string): void {
  let [depth, nodes, values] = [0, 0, 0];
  for (let at = 0; at < bytes.length; at++) {
    switch (bytes[at]) {
      case 0x22: // a string
        for (at++; at < bytes.length && bytes[at] !== 0x22; at++) if (bytes[at] === 0x5c) at++;
        break;
      case 0x5b: // [
      case 0x7b: // {
        nodes++;
        if (++depth > most.depth) refuse(origin, `nested more than ${most.depth} deep`);
        break;
      case 0x5d: // ]
      case 0x7d: // }
        depth--;
        break;
      case 0x3a: // :
        nodes++;
        break;
      case 0x2c: // ,
        values++;
    }
  }
  if (nodes > most.nodes) refuse(origin, `of more than ${most.nodes} lists and fields`);
  if (values > most.values) refuse(origin, `of more than ${most.values} values`);
}

function refuse(origin: string, what: string): never {
  throw new MemgradError(`${origin} is JSON ${what}, but no fixture is; check that it is one.`);
}
