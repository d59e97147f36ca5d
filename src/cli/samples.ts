/** Continuations of held-out prompts, as a saved run says them. */
import { Key } from '../autograd/index.js';
import { generate, type SamplingOptions } from '../models/index.js';
import type { Run } from '../runs/index.js';
import { IGNORED } from '../tasks/index.js';

/** A prompt, its right answer, and what the model said instead. */
export interface Sample {
  readonly prompt: string;
  readonly answer: string;
  readonly sampled: string;
}

/**
 * Reads prompt number `index` token by token as a stream and lets the model answer. Calls `check`
 * between tokens, to end early.
 */
export async function sampleOf(
  { config, model, task }: Run,
  index: number,
  {
    seed,
    check,
    ...sampling
  }: Pick<SamplingOptions, 'temperature' | 'topK' | 'topP'> & {
    seed: number;
    check: () => Promise<void>;
  },
): Promise<Sample> {
  const prompts = Key.of(seed).fold(2); // 0 draws training batches, 1 dropout
  const { inputs, targets, promptLength } = task.batch(prompts.fold(index), 1, 'test');
  const wanted = targets.filter((target) => target !== IGNORED);
  const stream = model.stream({ segmentLength: config.training.segmentLength });
  try {
    stream.push(inputs.subarray(0, promptLength));
    const drawn: number[] = [];
    const drawing = { count: wanted.length, seed: seed + index, ...sampling };
    for await (const token of generate(stream, drawing)) {
      drawn.push(token);
      await check();
    }
    return {
      prompt: task.show(inputs.subarray(0, promptLength)),
      answer: task.show(wanted),
      sampled: task.show(drawn),
    };
  } finally {
    stream.dispose();
  }
}
