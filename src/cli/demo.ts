/** `memgrad demo`, which `npm start` runs: three models of equal size learn to copy; the Transformer cannot. */
import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { type RunConfig, runConfig, TrainingRun } from '../runs/index.js';
import { createTask } from '../tasks/index.js';
import type { Evaluation } from '../training/index.js';
import { type CommonOptions, type Context, commonOptions, openContext } from './context.js';
import { clock, count, fit, percent, plural, wrap } from './format.js';
import type { Colour, Output } from './output.js';
import { plot } from './plot.js';
import { table } from './table.js';
import { runEvaluation, runTraining, type Trained } from './training.js';

/**
 * The paper's copy task at its real length. Sizes are the defaults of `train`: small enough to train
 * in two minutes on two slow cores.
 */
export const DEMO = {
  task: { length: 24, symbols: 10, copies: 2 },
  steps: 500,
  /** The mean accuracy of ten steps at which training ends. */
  stopAt: 0.998,
  /** Number of held-out sequences to answer. */
  samples: 256,
} as const;

/** The models in the order in which they train, with their titles and their marks in the plot. */
const MODELS = [
  { name: 'transformer', title: 'Transformer', mark: 'o', colour: 'yellow' },
  { name: 'transformer-xl', title: 'Transformer-XL', mark: 'x', colour: 'cyan' },
  { name: 'rmt', title: 'RMT', mark: '#', colour: 'green' },
] as const satisfies readonly {
  name: RunConfig['model']['name'];
  title: string;
  mark: string;
  colour: Colour;
}[];

type Name = (typeof MODELS)[number]['name'];

/** The training and evaluation of one model. */
interface Result {
  readonly model: (typeof MODELS)[number];
  readonly parameters: number;
  readonly trained: Trained;
  readonly evaluation: Evaluation;
}

/** Adds the command to `program`. */
export function addDemo(program: Command): void {
  const command = program
    .command('demo')
    .summary('watch three models learn to copy, in minutes')
    .description(
      'Trains a Transformer, a Transformer-XL and an RMT of equal size on the copy task cut into segments, and compares them. Takes a few minutes.',
    );
  commonOptions(command, 'decides parameters and batches (default: 0)')
    .addHelpText(
      'after',
      `
Examples:
  $ memgrad demo
  $ memgrad demo --seed 1 --json > demo.jsonl
`,
    )
    .action((options: CommonOptions) => runDemo(options));
}

/** Trains each model for at most `steps(name)` steps, compares them and prints the comparison. */
export async function runDemo(
  options: CommonOptions,
  steps: (name: Name) => number = () => DEMO.steps,
): Promise<void> {
  const context = await openContext(options);
  const { output } = context;
  const { seed = 0 } = options;
  const task = createTask('copy', DEMO.task);
  const configs = MODELS.map(({ name }) => configOf(name, seed, options.backend, steps(name)));
  output.event('start', { seed, chance: task.chance, ...DEMO });
  output.print(introduction(configs[0], output));

  const results: Result[] = [];
  for (const [i, model] of MODELS.entries()) {
    results.push(await trainOne(configs[i], model, context));
  }

  output.print(`\n${resultTable(results)}`);
  output.print(explanation(task.chance, output));
  const series = results.map(({ model, trained }) => ({
    ...model,
    name: model.title,
    values: trained.accuracies,
  }));
  output.print(`\n${plot(output, 'Accuracy in training', series)}`);
  output.print(`\n${examples(results, output)}`);
  output.print(`\n${closing(results, task.chance, output)}`);
}

/** Trains and evaluates one model; one line about it stays on the screen. */
async function trainOne(
  config: RunConfig,
  model: Result['model'],
  context: Context,
): Promise<Result> {
  const { output, backend, interrupt } = context;
  const label = output.colour(model.colour, model.title.padEnd(16));
  const run = await TrainingRun.start(config, { backend });
  const trained = await runTraining(run, context, { label });
  await interrupt.check();
  const evaluation = await runEvaluation(
    { ...trained, config, samples: DEMO.samples, seed: config.seed, backend },
    context,
    label,
  );
  const parameters = trained.model.parameterCount();
  const { step, loss, accuracy, seconds } = trained;
  output.event('result', {
    model: model.name,
    parameters,
    step,
    loss,
    accuracy,
    seconds,
    evaluation,
  });
  output.print(
    `${label}${plural(step, 'step')} in ${clock(seconds)}, held-out accuracy ${percent(evaluation.accuracy)}`,
  );
  run.dispose();
  return { model, parameters, trained, evaluation };
}

function configOf(
  model: Name,
  seed: number,
  backend: RunConfig['backend'],
  steps: number,
): RunConfig {
  const { task: options, stopAt } = DEMO;
  const task = { name: 'copy', options } as const;
  return runConfig({ model, seed, backend, task, training: { steps, stopAt, saveEvery: steps } });
}

function introduction({ training }: RunConfig, output: Output): string {
  const { task } = DEMO;
  return [
    output.colour('bold', 'Three models of equal size learn to copy.'),
    wrap(
      `They read ${task.length} random digits and a '>', and write the digits again, ${task.copies} times. ` +
        `They see ${training.segmentLength} tokens at a time, so the digits are out of sight when the answer begins: ` +
        'the Transformer has nothing else, Transformer-XL keeps the rows of the segment before, ' +
        'and RMT carries memory vectors that it learns to write.',
      output.columns,
    ),
    '',
  ].join('\n');
}

function resultTable(results: readonly Result[]): string {
  return table<Result>(
    {
      model: ({ model }) => model.title,
      params: ({ parameters }) => count(parameters),
      steps: ({ trained }) => count(trained.step),
      'train loss': ({ trained }) => trained.loss.toFixed(3),
      'fed truth': ({ trained }) => percent(trained.accuracy),
      'held out': ({ evaluation }) => percent(evaluation.accuracy),
      'whole answers': ({ evaluation }) => percent(evaluation.exact),
      time: ({ trained }) => clock(trained.seconds),
    },
    results,
  );
}

function explanation(chance: number, output: Output): string {
  return wrap(
    `Guessing gets ${percent(chance)}. Fed truth: answer tokens right in training, where the model is ` +
      'given the right answer up to each; like the loss, a mean over the last 10 steps. Held out: ' +
      `answer tokens right on ${DEMO.samples} new sequences, where it reads nothing but its own answer. ` +
      'Whole answers: those without one error.',
    output.columns,
  );
}

/** Shows the first held-out sequence, which is the same for all models. */
function examples(results: readonly Result[], output: Output): string {
  const { prompt, answer } = results[0].evaluation.example;
  const line = (name: string, text: string) =>
    `  ${name.padEnd(16)}${fit(text, output.columns - 19)}`;
  const marked = (text: string) =>
    [...text]
      .map((token, at) => output.colour(token === answer[at] ? 'green' : 'red', token))
      .join('');
  return [
    'One held-out sequence:',
    line('prompt', prompt),
    line('right answer', answer),
    ...results.map(
      ({ model, evaluation }) =>
        `  ${model.title.padEnd(16)}${marked(fit(evaluation.example.predicted, output.columns - 19))}`,
    ),
  ].join('\n');
}

function closing(results: readonly Result[], chance: number, output: Output): string {
  const [transformer, xl, rmt] = results.map(({ evaluation }) => evaluation.accuracy);
  const without =
    transformer <= chance + 0.05
      ? `The Transformer stays at chance: nothing of the digits reaches the segments where it answers.`
      : `The Transformer got ${percent(transformer)}, above the ${percent(chance)} of guessing.`;
  const withCache = `Transformer-XL got ${percent(xl)} with the rows that it keeps.`;
  const withMemory =
    rmt >= 0.99
      ? `RMT learnt to write them into its memory in ${count(results[2].trained.step)} steps.`
      : `RMT got ${percent(rmt)}; give it another --seed.`;
  let folder = 'runs/first';
  for (let run = 2; existsSync(folder); run++) folder = `runs/run-${run}`;
  return [
    wrap(`${without} ${withCache} ${withMemory}`, output.columns),
    'Next, train one that you can keep:',
    `  npx memgrad train --stop-at 0.998 --out ${folder}`,
    `  npx memgrad eval ${folder}`,
  ].join('\n');
}
