/** `memgrad train`: trains a model on a task, evaluates it, and saves it if asked. */
import type { Command } from 'commander';
import { NotFinite } from '../errors.js';
import { runConfig, type TrainingRun } from '../runs/index.js';
import { TextTask } from '../tasks/index.js';
import { begin } from './begin.js';
import { type Context, commonOptions } from './context.js';
import { unitOf } from './describe-evaluation.js';
import { clock, count, percent, plural, shellWord, wrap } from './format.js';
import type { Output } from './output.js';
import { plot } from './plot.js';
import { presetTable, textSentence } from './presets.js';
import { refuseTextOptions, textRun } from './text.js';
import { chosenRun, chosenTask, isPreset, runOptions, unread } from './train-config.js';
import { addTrainOptions, type TrainCommandOptions } from './train-options.js';
import { evaluateAndPrint, runTraining } from './training.js';

/** Adds the command to `program`. */
export function addTrain(program: Command): void {
  const command = program
    .command('train')
    .summary('train a model on a task')
    .description(
      'Trains a model on a task, segment by segment, then evaluates it on held-out sequences.',
    );
  addTrainOptions(command);
  commonOptions(command, 'decides parameters, batches and dropout (default: 0)')
    .addHelpText(
      'after',
      `
${presetTable(runOptions.filter(isPreset))}

${textSentence(runOptions)}

Examples:
  $ memgrad train --stop-at 0.998 --out runs/copy
  $ memgrad train --resume runs/copy
  $ memgrad train --resume runs/copy --from best --learning-rate 1e-4
  $ memgrad train --config runs/copy/config.json --seed 1 --out runs/again
  $ memgrad train --model transformer-xl --cache 16 --steps 500
  $ memgrad train --length 24 --memory-tokens 24 --steps 5000 --curriculum 8:8
  $ memgrad train --task retrieval --segment-length 5 --memory-tokens 4 \\
      --heads 8 --d-head 16 --init wide --batch-size 128 --steps 4000 \\
      --curriculum 2:1:0.85 --cuts 10
  $ memgrad train --preset paper --bptt-depth 1 --json > paper.jsonl

  $ memgrad train --text book.txt --out runs/book
  $ memgrad train --resume runs/book --steps 3000
  $ cat *.txt | memgrad train --text - --tokens pairs --vocabulary 1024
  $ memgrad train --text book.txt --model transformer-xl --tokens words
`,
    )
    .action(runTrain);
}

async function runTrain(options: TrainCommandOptions, command: Command): Promise<void> {
  const given = (name: string) => command.getOptionValueSource(name) === 'cli';
  const { run, context, folder } = await begin(options, command, async () => {
    const { text } = options;
    if (text !== undefined) return textRun({ ...options, text }, given);
    refuseTextOptions(given);
    const task = chosenTask(options, given);
    return { config: runConfig({ ...chosenRun(options, given), task }, 'the options') };
  });
  try {
    const notes = unread(run.config, given);
    await trainAndEvaluate(run, context, folder, options, notes);
  } finally {
    run.dispose();
  }
}

async function trainAndEvaluate(
  run: TrainingRun,
  context: Context,
  folder: string | undefined,
  { checkFinite, samples }: TrainCommandOptions,
  notes: readonly string[],
): Promise<void> {
  const { output, backend } = context;
  const { config } = run;
  output.event('start', { config, backend: backend.name, step: run.step });
  for (const note of [...run.notes, ...notes]) {
    output.event('note', { note });
    output.print(wrap(`Note: ${note}`, output.columns));
  }
  output.print(introduction(run, output));

  const trained = await runTraining(run, context, { checkFinite }).catch(async (error) => {
    if (error instanceof NotFinite && folder !== undefined) {
      error.message += ` ${await wayOut(run, folder)}`;
    }
    throw error;
  });
  const { model, task, step, loss, accuracy, seconds, interrupted } = trained;
  const isText = task instanceof TextTask;
  const reached = isText ? unitOf(task, loss) : `accuracy ${percent(accuracy)}`;
  output.settle(
    trained.accuracies.length === 0
      ? `${interrupted ? 'Stopped before the first step' : nothingLeft(run)}.`
      : `${interrupted ? 'Stopped after' : 'Trained for'} ${plural(step, 'step')} in ${clock(seconds)}: loss ${loss.toFixed(3)}, ${reached}.`,
  );
  const parameters = model.parameterCount();
  output.event('trained', { step, loss, accuracy, seconds, parameters, interrupted });
  if (folder !== undefined) {
    output.event('saved', { folder });
    const next = !run.finished ? 'train --resume' : isText ? 'sample' : 'eval';
    output.print(`Saved in ${folder}: memgrad ${next} ${shellWord(folder)}`);
  } else output.print('The model is not kept; --out FOLDER saves a run.');
  await context.interrupt.check();

  const { seed } = config;
  await evaluateAndPrint({ model, task, config, samples, seed, backend }, context);
  const values = trained.accuracies.filter((accuracy) => !Number.isNaN(accuracy));
  if (values.length < 2) return;
  const curve = { name: config.model.name, mark: '#', colour: 'green', values } as const;
  output.print(`\n${plot(output, 'Accuracy in training', [curve], step - values.length)}`);
}

/** The sentence on how to continue a run after a step that is not finite. */
async function wayOut(run: TrainingRun, folder: string): Promise<string> {
  const { steps, from } = await run.checkpoints();
  const kept =
    steps.length === 0
      ? 'no checkpoint'
      : `the checkpoint${steps.length > 1 ? 's' : ''} ${steps.join(', ')}`;
  const lower = run.config.training.optimizer.learningRate / 10;
  return `${folder} has ${kept}: memgrad train --resume ${shellWord(folder)} --from ${from} --learning-rate ${Number(lower.toPrecision(2))}`;
}

/** The sentence on why a run has no steps left, and which option adds some. */
function nothingLeft({ step, config: { training } }: TrainingRun): string {
  return step < training.steps && training.stopAt !== null
    ? `Nothing is left to train: the accuracy has reached ${percent(training.stopAt)}; raise --stop-at to go on`
    : 'Nothing is left to train; raise --steps to go on';
}

function introduction({ config, step, task: own }: TrainingRun, output: Output): string {
  const { model, task, training, seed } = config;
  const options =
    own instanceof TextTask
      ? [plural(own.text.length, 'byte'), `${count(own.vocabulary)} different tokens`]
      : Object.entries(task.options).map(([name, value]) => `${name} ${value}`);
  const resumed = step > 0 ? `, going on after step ${count(step)}` : '';
  const text =
    `Training ${model.name} on ${task.name} (${options.join(', ')}) for at most ` +
    `${count(training.steps)} steps, seed ${seed}${resumed}, in segments of ${training.segmentLength} tokens.`;
  return wrap(text, output.columns);
}
