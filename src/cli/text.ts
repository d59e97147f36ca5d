/** The text of `memgrad train --text`: read, checked and cut into tokens. */
import { MemgradError } from '../errors.js';
import { type RunConfig, textConfig } from '../runs/index.js';
import { readWhole } from '../runs/node/folder-storage.js';
import {
  ByteTokenizer,
  cutText,
  PairTokenizer,
  TextTask,
  type Tokenizer,
  WordTokenizer,
} from '../tasks/index.js';
import { chosenRun, type Given, taskOptions } from './train-config.js';
import type { TrainCommandOptions } from './train-options.js';

const MOST_BYTES = 2 ** 31 - 1;

/** The options of `train` that choose a task, or need samples of one. */
const ofTasks = [
  'task',
  ...taskOptions().keys(),
  'stopAt',
  'curriculum',
  'cuts',
  'checkpointSegments',
];
const ofTexts = ['tokens', 'vocabulary', 'endOfText'];

/** Throws `MemgradError` for options that need a text, where there is none. */
export function refuseTextOptions(given: Given): void {
  const name = ofTexts.find(given);
  if (name === undefined) return;
  throw new MemgradError(
    `${flagOf(name)} is for a text of your own, but there is none; give --text FILE too.`,
  );
}

/**
 * The configuration of a run on the text that `options` name, and the text. `given` tells which
 * options the user wrote. Throws `MemgradError` for a text that can't be learnt from.
 */
export async function textRun(
  options: TrainCommandOptions & { text: string },
  given: Given,
): Promise<{ config: RunConfig; text: TextTask }> {
  const other = ofTasks.find(given);
  if (other !== undefined) {
    throw new MemgradError(
      `${flagOf(other)} is for the tasks of memgrad, but --text names a text; leave one of them out.`,
    );
  }
  const bytes = await readText(options.text);
  const text = new TextTask(bytes, tokenizerOf(bytes, options));
  return { config: await textConfig(text, chosenRun(options, given), 'the options'), text };
}

/** Reads a file, or standard input for `-`; a byte order mark at its start is no part of the text. */
async function readText(file: string): Promise<Uint8Array> {
  const name = file === '-' ? 'standard input' : `'${file}'`;
  const bytes = file === '-' ? await standardInput() : await readFile(file);
  const marked = [0xef, 0xbb, 0xbf].every((byte, at) => bytes[at] === byte);
  const text = marked ? bytes.subarray(3) : bytes;
  if (text.length > 0) return text;
  throw new MemgradError(`The text from ${name} is empty; name a file with some text.`);
}

function readFile(file: string): Promise<Uint8Array> {
  return readWhole(file, 'name a text of at most 2 GiB, or - for standard input', MOST_BYTES);
}

async function standardInput(): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of process.stdin) {
    parts.push(part);
    length += part.length;
    if (length > MOST_BYTES) {
      throw new MemgradError('The text from standard input has more than 2 GiB; cut it.');
    }
  }
  return Buffer.concat(parts);
}

function tokenizerOf(text: Uint8Array, options: TrainCommandOptions): Tokenizer {
  const { tokens = 'bytes', vocabulary, endOfText } = options;
  if (tokens !== 'pairs' && endOfText !== undefined) {
    throw new MemgradError('--end-of-text is for byte pairs; give --tokens pairs too.');
  }
  if (tokens === 'bytes') {
    if (vocabulary === undefined) return new ByteTokenizer(text);
    throw new MemgradError('--vocabulary is for words and byte pairs; give --tokens too.');
  }
  requireText(text, tokens);
  const { train } = cutText(text);
  if (tokens === 'pairs') return new PairTokenizer(train, { vocabulary, endOfText });
  return new WordTokenizer(train, { split: 'prose', most: vocabulary });
}

/** Throws `MemgradError` for bytes that are no text in UTF-8, such as an image or UTF-16. */
function requireText(bytes: Uint8Array, tokens: string): void {
  const BLOCK = 2 ** 20;
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const zero = bytes.indexOf(0);
  let wrong = zero < 0 ? undefined : `has a zero byte at ${zero}`;
  for (let at = 0; at <= bytes.length && wrong === undefined; at += BLOCK) {
    try {
      decoder.decode(bytes.subarray(at, at + BLOCK), { stream: at + BLOCK < bytes.length });
    } catch {
      wrong = `is not UTF-8 after byte ${at}`;
    }
  }
  if (wrong === undefined) return;
  throw new MemgradError(
    `The text ${wrong}, so it has no ${tokens === 'pairs' ? 'byte pairs' : tokens}; convert it to UTF-8, or read it as bytes (--tokens bytes).`,
  );
}

function flagOf(name: string): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}
