/** The text of a run: a copy of it, and its tokenizer. */
import { describe, MemgradError } from '../errors.js';
import { requireThat } from '../options.js';
import { restoreTokenizer, type SavableTokenizer, TextTask } from '../tasks/index.js';
import { readJson, TEXT_FILE, TOKENIZER_FILE } from './files.js';
import type { RunConfig } from './schema.js';
import type { RunStorage } from './storage.js';
import type { TextTaskConfig } from './task-config.js';

/** Longer texts can be neither hashed nor written at once. */
const MOST_BYTES = 2 ** 31 - 1;
/** A vocabulary of a million words takes some 20 MB. */
const MOST_TOKENIZER_BYTES = 2 ** 28;

/**
 * The task of a run on `text`, for its configuration. Throws `MemgradError` for a text of more than
 * 2 GiB, and for a tokenizer that can't be saved.
 */
export async function describeText(text: TextTask): Promise<TextTaskConfig> {
  requireThat(text instanceof TextTask, 'text', 'a TextTask', text);
  const { name, ...rest } = text.tokenizer;
  const saves = typeof (text.tokenizer as { toJSON?: unknown }).toJSON === 'function';
  requireThat(saves, 'text: the tokenizer', 'one of memgrad, which can be saved,', rest);
  return { name: 'text', options: { tokens: name, sha256: await sha256Of(text.text) } };
}

/** Throws `MemgradError` unless `text` is the one of `config`, or neither has one. */
export async function checkText(config: RunConfig, text: TextTask | undefined): Promise<void> {
  const { task } = config;
  if (task.name !== 'text') {
    requireThat(!text, 'text', `left out, as the run is on '${task.name}'`, text);
    return;
  }
  if (text === undefined) {
    throw new MemgradError('The run is on a text, but there is none; pass it as text.');
  }
  const { options } = await describeText(text);
  if (options.tokens !== task.options.tokens) {
    throw new MemgradError(
      `The run is on ${task.options.tokens}, but the tokenizer of the text makes ${options.tokens}; pass the one that the run was begun with.`,
    );
  }
  if (options.sha256 !== task.options.sha256) {
    throw new MemgradError(
      `The text has the SHA-256 ${short(options.sha256)}, but the run is on one with ${short(task.options.sha256)}; put that text back, or begin another run.`,
    );
  }
}

/** Writes the text and its tokenizer. */
export async function writeText(storage: RunStorage, { text, tokenizer }: TextTask): Promise<void> {
  await storage.write(TEXT_FILE, text);
  await storage.write(TOKENIZER_FILE, new TextEncoder().encode(`${JSON.stringify(tokenizer)}\n`));
}

/**
 * Reads the tokenizer of a run on a text; undefined for other tasks. Throws `MemgradError` for one
 * that isn't the run's.
 */
export async function readTokenizer(
  storage: RunStorage,
  { task, model }: RunConfig,
): Promise<SavableTokenizer | undefined> {
  if (task.name !== 'text') return undefined;
  const saved = await readJson(storage, TOKENIZER_FILE, MOST_TOKENIZER_BYTES);
  const tokenizer = restoreTokenizer(saved, TOKENIZER_FILE);
  const { nToken } = model.config;
  if (tokenizer.name === task.options.tokens && tokenizer.vocabulary === nToken) return tokenizer;
  throw new MemgradError(
    `'${TOKENIZER_FILE}' has ${tokenizer.vocabulary} tokens (${tokenizer.name}), but the run is on ${nToken} (${task.options.tokens}); put back the tokenizer that the run was begun with.`,
  );
}

/**
 * Reads the text of a run; undefined for other tasks. Throws `MemgradError` for a text or tokenizer
 * that is not the run's.
 */
export async function readText(
  storage: RunStorage,
  config: RunConfig,
): Promise<TextTask | undefined> {
  const tokenizer = await readTokenizer(storage, config);
  if (!tokenizer) return undefined;
  const bytes = await storage.read(TEXT_FILE, MOST_BYTES).catch(async (error: unknown) => {
    if ((await storage.list()).includes(TEXT_FILE)) throw error;
    throw new MemgradError(
      `The run has no '${TEXT_FILE}', the text that it learns; put the file back, or use the model without it (memgrad sample --prompt, memgrad report --samples 0, loadModel).`,
    );
  });
  const text = new TextTask(bytes, tokenizer);
  await checkText(config, text);
  return text;
}

function short(digest: string): string {
  return describe(`${digest.slice(0, 12)}...`);
}

/** The SHA-256 of bytes, in hexadecimal digits. */
async function sha256Of(bytes: Uint8Array): Promise<string> {
  if (bytes.length > MOST_BYTES) {
    throw new MemgradError(
      `The text has ${bytes.length} bytes, but a run takes at most ${MOST_BYTES}; cut it.`,
    );
  }
  const { subtle } = globalThis.crypto ?? {};
  if (!subtle) {
    throw new MemgradError(
      'A run on a text needs crypto.subtle, which pages have on https and localhost only; serve the page there.',
    );
  }
  const hash = new Uint8Array(await subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
