/** Byte pair encoding, through a library that is loaded when it is asked for. */
import { MemgradError } from '../errors.js';
import type { Tokenizer } from '../tasks/index.js';

/** What we use of gpt-tokenizer. */
interface Encoding {
  encode(text: string): number[];
  decode(tokens: number[]): string;
  readonly vocabularySize: number;
}

/** Not a literal where it is imported, so that no bundler takes the library in. */
const LIBRARY = 'gpt-tokenizer/encoding/r50k_base';

/** The byte pair encoding of GPT-2: 50,257 tokens. Throws `MemgradError` where the library is not installed. */
export async function bytePairs(library = LIBRARY): Promise<Tokenizer> {
  const { encode, decode, vocabularySize } = await load(library);
  return {
    name: 'bpe',
    vocabulary: vocabularySize,
    encode: (text) => Int32Array.from(encode(new TextDecoder().decode(text))),
    decode: (tokens) => decode(Array.from(tokens)),
  };
}

async function load(library: string): Promise<Encoding> {
  try {
    return await import(library);
  } catch (cause) {
    throw new MemgradError(
      `Byte pair encoding needs a library that is not installed; install it: npm install gpt-tokenizer@4`,
      { cause },
    );
  }
}
