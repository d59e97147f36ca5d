/** `memgrad eval`: evaluates a saved run. */
import type { Command } from 'commander';
import { loadRun } from '../runs/index.js';
import { type CommonOptions, commonOptions, openContext } from './context.js';
import { count } from './format.js';
import { whole } from './parsers.js';
import { runIn } from './run-in.js';
import { evaluateAndPrint } from './training.js';

interface EvalCommandOptions extends CommonOptions {
  samples: number;
  likeReference?: boolean;
  best?: boolean;
}

/** Adds the command to `program`. */
export function addEval(program: Command): void {
  const command = program
    .command('eval')
    .summary('evaluate a saved run')
    .description(
      'Lets a saved run answer held-out sequences, reading nothing but its own answer. A run on a text reads the held-out end of it.',
    )
    .argument('<folder>', 'what `memgrad train --out` wrote')
    .option('--samples <n>', 'how many sequences; of a text, segments', whole(1, 100_000), 256)
    .option(
      '--like-reference',
      'score as the published scripts do: each segment of the answer begins with a token of the truth',
    )
    .option('--best', 'the checkpoint with the lowest loss instead of the last one');
  commonOptions(command, "decides the sequences (default: the run's seed)")
    .addHelpText(
      'after',
      `
Examples:
  $ memgrad eval runs/copy
  $ memgrad eval runs/copy --samples 1000 --seed 7 --json
`,
    )
    .action(runEval);
}

async function runEval(folder: string, options: EvalCommandOptions): Promise<void> {
  const context = await openContext(options, { saves: false });
  const { output, backend } = context;
  const { config, model, task, step } = await loadRun(await runIn(folder), {
    backend,
    best: options.best,
  });
  const { samples, likeReference, seed = config.seed } = options;
  output.print(
    `${folder}: ${config.model.name} on ${task.name}, ${count(model.parameterCount())} parameters, trained for ${count(step)} steps.`,
  );
  const target = { model, task, config, samples, seed, backend, likeReference };
  await evaluateAndPrint(target, context, { step });
}
