/** `memgrad sample` of a run on a text: continues a prompt, character by character. */
import { Key } from '../autograd/index.js';
import { generate } from '../models/index.js';
import type { Run } from '../runs/index.js';
import { promptTokens, type TextTask } from '../tasks/index.js';
import type { Context } from './context.js';
import type { SampleCommandOptions } from './sample.js';

/**
 * Prints each prompt and what `run` draws after it. Throws `MemgradError` for a prompt with
 * characters or words that the vocabulary lacks.
 */
export async function sampleText(
  { config, model, task, step }: Run & { task: TextTask },
  options: SampleCommandOptions,
  { output, interrupt }: Context,
): Promise<void> {
  const { samples = 1, seed = 0, length = 200, temperature = 0.8, topK, topP, prompt } = options;
  const { segmentLength } = config.training;
  const { tokenizer } = task;
  const passages = Key.of(seed).fold(2); // as for other tasks
  const passage = (index: number) => {
    const { inputs, promptLength } = task.batch(passages.fold(index), 1, 'test');
    return inputs.subarray(0, promptLength);
  };
  const given = prompt === undefined ? undefined : promptTokens(tokenizer, prompt);
  for (let index = 0; index < samples; index++) {
    const read = given ?? passage(index);
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
