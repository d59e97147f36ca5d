/** `memgrad sample` of a run on a text: continues a prompt, character by character. */
import { generate } from '../models/index.js';
import type { Run } from '../runs/index.js';
import type { Tokenizer } from '../tasks/index.js';
import type { Context } from './context.js';
import type { SampleCommandOptions } from './sample.js';

/** Prints each prompt and what the model draws after it. */
export async function sampleText(
  { config, model, tokenizer, step }: Omit<Run, 'task'> & { tokenizer: Tokenizer },
  promptOf: (index: number) => Int32Array,
  options: SampleCommandOptions,
  { output, interrupt }: Context,
): Promise<void> {
  const { samples = 1, seed = 0, length = 200, temperature = 0.8, topK, topP } = options;
  const { segmentLength } = config.training;
  for (let index = 0; index < samples; index++) {
    const read = promptOf(index);
    const decoder = tokenizer.decoder();
    const decode = (tokens: ArrayLike<number>) =>
      Array.from(tokens, (token) => decoder.push(token)).join('');
    const begun = decode(read);
    output.write(begun, 'bold');
    const stream = model.stream({ segmentLength });
    stream.push(read);
    let sampled = '';
    const say = (text: string) => {
      sampled += text;
      output.write(text);
    };
    const drawing = { count: length, seed: seed + index, temperature, topK, topP };
    for await (const token of generate(stream, drawing)) {
      say(decode([token]));
      await interrupt.check();
    }
    say(decoder.end());
    stream.dispose();
    output.event('sample', { step, prompt: begun, sampled });
    output.print(index + 1 < samples ? '\n' : '');
  }
}
