/** A text of one's own: a stream to train on, and passages to look at. */
import type { Key } from '../autograd/index.js';
import { check, whole } from '../options.js';
import { cutText, Language } from './language.js';
import { answerBatch, type Batch, checkDraw, type Split, type Task } from './task.js';
import { bytesOf, type Text } from './text.js';
import type { Tokenizer } from './tokenizers.js';

/** Number of tokens in the prompt and in the answer of a sample. */
const LENGTH = 64;

/** A character has at most this many tokens. */
const LONGEST = 4;

/**
 * Language modelling over one text, of which the last tenth is held out. It is trained on and
 * evaluated as a stream, as `Language` is. Its samples are passages: the prompt is `length` tokens
 * of the text, the answer the `length` tokens after them.
 */
export class TextTask extends Language implements Task {
  override readonly name = 'text';
  readonly metric = 'tokens';
  readonly length: number;
  /** The text, as bytes of UTF-8. */
  readonly text: Uint8Array;

  /**
   * Encodes the text. Throws `MemgradError` for a text of which a part has fewer than two tokens,
   * and for a tokenizer that returns tokens outside its vocabulary. `length` is at most a third of
   * the test part; default 64.
   */
  constructor(text: Text, tokenizer: Tokenizer, length = LENGTH) {
    const bytes = bytesOf('text', text);
    super(cutText(bytes), tokenizer);
    check('text: length', length, whole());
    this.text = bytes;
    this.length = Math.min(length, Math.max(1, Math.floor(this.tokens.test.length / 3)));
  }

  /** The share of the most frequent token. */
  get chance(): number {
    const counts = new Int32Array(this.vocabulary);
    for (const token of this.tokens.test) counts[token]++;
    return counts.reduce((a, b) => Math.max(a, b), 0) / this.tokens.test.length;
  }

  /** Passages that begin at random, at the start of a character. */
  batch(key: Key, size: number, split: Split): Batch {
    checkDraw('text', key, split);
    const { length } = this;
    const tokens = this.tokens[split];
    const last = tokens.length - 2 * length;
    return answerBatch(size, (row) => {
      let start = key.fold(row).integers(1, last + 1)[0];
      const whole = Math.min(start + LONGEST - 1, last);
      const begun = () => this.show(tokens.subarray(start, start + LONGEST));
      while (start < whole && begun().startsWith('\ufffd')) start++;
      const end = start + length;
      return { prompt: tokens.subarray(start, end), answer: tokens.subarray(end, end + length) };
    });
  }

  withLength(length: number): TextTask {
    return new TextTask(this.text, this.tokenizer, length);
  }
}
