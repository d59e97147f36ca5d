/** The options of `memgrad train`. */
import { type Command, Option } from 'commander';
import { type AnyConfig, choices, modelNames, presets } from '../models/index.js';
import { limits, type RunConfig } from '../runs/index.js';
import { queryChoices, type TaskName, taskNames } from '../tasks/index.js';
import { nonFiniteChoices, optimizerNames } from '../training/index.js';
import type { BeginOptions } from './begin.js';
import { DEMO } from './demo.js';
import * as read from './parsers.js';

/** What the tokens of a text are. */
export const tokenKinds = ['bytes', 'words', 'pairs'] as const;

/** The options as commander returns them; without a default where the preset decides. */
export interface TrainCommandOptions extends BeginOptions {
  model: RunConfig['model']['name'];
  task: TaskName;
  length?: number;
  symbols?: number;
  copies?: number;
  pairs?: number;
  queries?: (typeof queryChoices)[number];
  range?: number;
  kept?: number;
  text?: string;
  tokens?: (typeof tokenKinds)[number];
  vocabulary?: number;
  endOfText?: 'token' | 'text';
  segmentLength: number;
  memoryTokens: number;
  cache: number;
  layers: number;
  heads: number;
  dModel: number;
  dHead: number;
  dInner: number;
  preset: keyof typeof presets;
  norm?: AnyConfig['norm'];
  positions?: AnyConfig['positions'];
  scaleEmbeddings?: boolean;
  memoryInit?: AnyConfig['memInit'];
  init?: AnyConfig['init'];
  writeTokens?: AnyConfig['writeTokens'];
  dropout?: number;
  optimizer?: RunConfig['training']['optimizer']['name'];
  betas?: readonly [number, number];
  weightDecay: number;
  bpttDepth: number;
  curriculum?: Omit<NonNullable<RunConfig['training']['curriculum']>, 'cuts'>;
  cuts?: readonly number[];
  batchSize: number;
  checkpointSegments?: boolean;
  nonFinite: RunConfig['training']['nonFinite'];
  saveEvery: number;
  checkFinite?: boolean;
  samples: number;
}

/** Adds the options to `command`. */
export function addTrainOptions(command: Command): void {
  const size = (most: number) => read.whole(1, most);

  command
    .optionsGroup('Model:')
    .addOption(new Option('--model <name>', 'model to train').choices(modelNames).default('rmt'))
    .option('--layers <n>', 'decoder layers', size(limits.layers), DEMO.model.nLayer)
    .option('--heads <n>', 'attention heads', size(limits.heads), DEMO.model.nHead)
    .option('--d-model <n>', 'width of a row', size(limits.width), DEMO.model.dModel)
    .option('--d-head <n>', 'width of a head', size(limits.width), DEMO.model.dHead)
    .option(
      '--d-inner <n>',
      'width of the feed-forward layer',
      size(limits.width),
      DEMO.model.dInner,
    )
    .option(
      '--memory-tokens <n>',
      'memory tokens of the models that have them',
      size(limits.memoryTokens),
      DEMO.model.numMemTokens,
    )
    .option(
      '--cache <n>',
      'rows that transformer-xl models keep',
      size(limits.cache),
      DEMO.model.memLen,
    )
    .addOption(
      new Option(
        '--preset <name>',
        "settings that learn fast, or the RMT paper's: see the table below; options marked * override it",
      )
        .choices(Object.keys(presets))
        .default('fast'),
    )
    .addOption(
      new Option(
        '--norm <place>',
        '* layer normalisation before each sub-layer and the logits, or after each sub-layer',
      ).choices(choices.norm),
    )
    .addOption(
      new Option('--positions <kind>', '* how positions are encoded').choices(choices.positions),
    )
    .addOption(
      new Option('--memory-init <kind>', '* how memory rows are initialised').choices(
        choices.memInit,
      ),
    )
    .addOption(
      new Option('--init <kind>', 'how weights are initialised (default: narrow)').choices(
        choices.init,
      ),
    )
    .addOption(
      new Option(
        '--write-tokens <kind>',
        'rows where RMT writes memory: the memory that it read, or learned rows (default: carried)',
      ).choices(choices.writeTokens),
    )
    .option('--scale-embeddings', '* multiply embeddings by the square root of their width')
    .option('--no-scale-embeddings', '* leave embeddings as they are')
    .option('--dropout <rate>', '* share of values dropped', read.real(read.rateBelowOne))
    .optionsGroup('Task:')
    .addOption(new Option('--task <name>', 'task to learn').choices(taskNames).default('copy'))
    .option(
      '--length <n>',
      `copy, reverse: symbols to remember (default: ${DEMO.task.length}); memorize: symbols to read (default: 64)`,
      size(limits.length),
    )
    .option(
      '--symbols <n>',
      `copy, reverse, memorize: different symbols (default: ${DEMO.task.symbols})`,
      read.whole(2, limits.symbols),
    )
    .option(
      '--copies <n>',
      `copy: how often the answer repeats them (default: ${DEMO.task.copies})`,
      size(limits.copies),
    )
    .option('--pairs <n>', 'retrieval: pairs to remember (default: 4)', size(limits.pairs))
    .addOption(
      new Option(
        '--queries <which>',
        'retrieval: training queries all pairs of a list in turn, or one (default: all)',
      ).choices(queryChoices),
    )
    .option('--range <n>', 'quadratic: largest root (default: 100)', read.whole(2, limits.range))
    .option('--kept <n>', 'memorize: symbols to remember (default: 8)', size(limits.length))
    .option(
      '--text <file>',
      'learn a text of your own instead, of which the last tenth is held out; - reads standard input',
    )
    .addOption(
      new Option(
        '--tokens <kind>',
        'text: bytes, words, or byte pairs learnt from it (default: bytes)',
      ).choices(tokenKinds),
    )
    .option(
      '--vocabulary <n>',
      'text: words or byte pairs at most (default: all words, 512 byte pairs)',
      read.whole(2, 1_000_000),
    )
    .addOption(
      new Option(
        '--end-of-text <kind>',
        'byte pairs: <|endoftext|> in the text is one token, or plain text (default: token)',
      ).choices(['token', 'text']),
    )
    .option(
      '--segment-length <n>',
      'tokens read at a time',
      size(limits.segmentLength),
      DEMO.segmentLength,
    )
    .optionsGroup('Training:')
    .option('--steps <n>', 'steps at most', size(limits.steps), DEMO.steps)
    .option('--batch-size <n>', 'sequences per step', size(limits.batchSize), DEMO.batchSize)
    .option(
      '--stop-at <accuracy>',
      'stop when the last 10 steps averaged it; up to 50 where answers are short (off by default)',
      read.real(read.shareAboveZero),
    )
    .addOption(
      new Option('--optimizer <name>', '* update rule of the weights').choices(optimizerNames),
    )
    .option('--learning-rate <x>', '* size of a step', read.real(read.learningRate))
    .option('--betas <b1,b2>', '* decay of the moments of adam and adamw', read.betas)
    .option('--weight-decay <x>', 'strength of weight decay', read.real(read.notNegative), 0)
    .addOption(
      new Option('--schedule <name>', '* course of the learning rate').choices([
        'constant',
        'cosine',
        'plateau',
      ]),
    )
    .option('--warm-up <n>', '* steps of rising learning rate', read.whole(0, limits.steps))
    .option(
      '--clip <norm>',
      '* largest norm of the gradient, or `none`',
      read.orInfinity('none', read.real(read.positive)),
    )
    .addOption(
      new Option('--bptt-depth <n>', 'earlier segments that gradients reach, or `full`')
        .argParser(read.orInfinity('full', read.whole(0, limits.length * limits.copies)))
        .default(Infinity, 'full'),
    )
    .option(
      '--curriculum <start:by[:at]>',
      'begin with this length, increase it at this accuracy (0.97) up to --length',
      read.curriculum,
    )
    .option(
      '--cuts <n,...>',
      'with --curriculum: segment lengths to train in before --segment-length, at full length',
      read.list(size(limits.segmentLength)),
    )
    .option(
      '--checkpoint-segments',
      'keep memory flat: recompute each segment in the backward pass',
    )
    .optionsGroup('Run:')
    .option('--out <folder>', 'save the run in this folder, which must be new or empty')
    .option('--config <file>', 'train as this config.json says, instead of the options')
    .option(
      '--resume <folder>',
      'continue the run in this folder; raise --steps or --stop-at to train longer; --learning-rate, --clip, --schedule, --warm-up and --non-finite may change',
    )
    .option(
      '--from <checkpoint>',
      'with --resume: continue from `best`, a step, or 0 to begin again; later checkpoints are removed (default: the last)',
      read.checkpoint(limits.steps),
    )
    .option('--save-every <n>', 'steps from one checkpoint to the next', size(limits.steps), 100)
    .addOption(
      new Option(
        '--non-finite <what>',
        'how to handle a step with a loss or gradient of NaN or Infinity',
      )
        .choices(nonFiniteChoices)
        .default('stop'),
    )
    .option('--check-finite', 'look for them in every result of every step, which is slower')
    .option(
      '--samples <n>',
      'held-out sequences to answer at the end; of a text, segments to read',
      size(100_000),
      256,
    );
}
