/** `memgrad sample`: lets a saved run continue a prompt, token by token. */
import type { Command } from 'commander';
import { Key } from '../autograd/index.js';
import { MemgradError } from '../errors.js';
import type { SamplingOptions } from '../models/index.js';
import { loadModel, loadRun, type RunConfig } from '../runs/index.js';
import { promptTokens, TextTask } from '../tasks/index.js';
import { type CommonOptions, commonOptions, openContext } from './context.js';
import { fit } from './format.js';
import { notNegative, real, shareAboveZero, whole } from './parsers.js';
import { runIn } from './run-in.js';
import { sampleText } from './sample-text.js';
import { sampleOf } from './samples.js';

/** The options as commander returns them. */
export interface SampleCommandOptions extends CommonOptions, SamplingOptions {
  samples?: number;
  best?: boolean;
  prompt?: string;
  length?: number;
}

/** Adds the command to `program`. */
export function addSample(program: Command): void {
  const command = program
    .command('sample')
    .summary('let a saved run continue a prompt')
    .description(
      'Gives a saved run the beginnings of held-out sequences, token by token as in a stream, and draws what it says next. A run on a text continues a prompt of yours, or a held-out passage.',
    )
    .argument('<folder>', 'what `memgrad train --out` wrote')
    .option('--prompt <text>', 'text: the beginning to continue (default: a held-out passage)')
    .option('--length <n>', 'text: how many tokens to draw (default: 200)', whole(1, 1_000_000))
    .option('--samples <n>', 'how many sequences (default: 3; of a text 1)', whole(1, 10_000))
    .option(
      '--temperature <x>',
      '0 takes the likeliest token, 1 draws as the model says (default: 0; of a text 0.8)',
      real(notNegative),
    )
    .option(
      '--top-k <n>',
      'draw among this many likeliest tokens (default: all)',
      whole(1, 1_000_000),
    )
    .option(
      '--top-p <p>',
      'draw among the likeliest with this probability together (default: 1)',
      real(shareAboveZero),
    )
    .option('--best', 'the checkpoint with the lowest loss instead of the last one');
  commonOptions(command, 'decides prompts and draws (default: 0)')
    .addHelpText(
      'after',
      `
Examples:
  $ memgrad sample runs/copy
  $ memgrad sample runs/copy --samples 10 --temperature 1 --seed 4
  $ memgrad sample runs/book
  $ memgrad sample runs/book --prompt "Call me" --top-k 40 --length 500
`,
    )
    .action(runSample);
}

async function runSample(folder: string, options: SampleCommandOptions): Promise<void> {
  const { output, backend, interrupt } = await openContext(options, { saves: false });
  const { samples = 3, seed = 0, best, temperature = 0, topK, topP } = options;
  const storage = await runIn(folder);
  const context = { output, backend, interrupt };
  if (options.prompt !== undefined) {
    const { tokenizer, ...loaded } = await loadModel(storage, { backend, best });
    if (!tokenizer) refuseTextOption('prompt', loaded.config);
    const prompt = promptTokens(tokenizer, options.prompt);
    await sampleText({ ...loaded, tokenizer }, () => prompt, options, context);
    return;
  }
  const run = await loadRun(storage, { backend, best });
  const { task } = run;
  if (task instanceof TextTask) {
    const passages = Key.of(seed).fold(2); // as for other tasks
    const passage = (index: number) => {
      const { inputs, promptLength } = task.batch(passages.fold(index), 1, 'test');
      return inputs.subarray(0, promptLength);
    };
    await sampleText({ ...run, tokenizer: task.tokenizer }, passage, options, context);
    return;
  }
  if (options.length !== undefined) refuseTextOption('length', run.config);
  for (let index = 0; index < samples; index++) {
    await interrupt.check();
    const check = () => interrupt.check();
    const sample = await sampleOf(run, index, { seed, check, temperature, topK, topP });
    output.event('sample', { step: run.step, ...sample });
    const line = (name: string, text: string) =>
      `  ${name.padEnd(14)}${fit(text, output.columns - 17)}`;
    output.print(
      [
        line('prompt', sample.prompt),
        line('right answer', sample.answer),
        line('sampled', sample.sampled),
        '',
      ].join('\n'),
    );
  }
}

function refuseTextOption(name: string, { task }: RunConfig): never {
  throw new MemgradError(
    `--${name} is for runs on a text, but this one learnt '${task.name}'; leave it out.`,
  );
}
