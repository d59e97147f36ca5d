/** A run on real text: language modelling along streams, or classification of documents. */
import {
  dictionary,
  enwik8,
  hyperpartisan,
  mobyDick,
  speeches,
  treasury,
  wikitext103,
} from '../../corpora/index.js';
import { MemgradError } from '../../errors.js';
import {
  createModel,
  EncoderRMT,
  type ModelName,
  type Preset,
  readArrays,
} from '../../models/index.js';
import { encodeSafetensors, type RunStorage } from '../../runs/index.js';
import {
  ByteTokenizer,
  Classification,
  type DocumentTask,
  Language,
  type StreamTask,
  type TextParts,
  WordTokenizer,
} from '../../tasks/index.js';
import {
  AdamW,
  cosine,
  evaluateDocuments,
  evaluateStream,
  train,
  warmUp,
} from '../../training/index.js';
import { clock, recentMean } from '../format.js';
import type { Measured } from './measured.js';
import type { RunOptions } from './run-folder.js';
import type { ModelSizes } from './scales.js';

/** Texts to be predicted, and documents to be classified. Those that come as published files need a folder. */
const texts = {
  gcide: () => dictionary(),
  'moby-dick': () => mobyDick(),
  treasury: () => treasury(),
  'wikitext-103': wikitext103,
  enwik8,
} satisfies Record<string, (folder: string) => Promise<TextParts>>;
const documents = {
  speeches: (_: string, seed: number) => speeches(seed),
  hyperpartisan,
};
const published: readonly string[] = ['wikitext-103', 'enwik8', 'hyperpartisan'];

/** What makes a run on text. */
export interface TextConfig {
  readonly seed: number;
  readonly corpus: keyof typeof texts | keyof typeof documents;
  /** Bytes, or so many of the most frequent words; all of them when null. */
  readonly words: number | 'bytes' | null;
  readonly model: {
    readonly name: ModelName | 'encoder-rmt';
    readonly preset: Preset;
    readonly sizes: ModelSizes;
    readonly memoryTokens: number;
    readonly cache: number;
    /** Of the adaptive softmax. */
    readonly cutoffs?: readonly number[];
  };
  readonly segmentLength: number;
  /** Segments of a document at most, the rest of which is not read. */
  readonly maxSegments?: number;
  readonly steps: number;
  readonly batchSize: number;
  readonly learningRate: number;
  readonly warmUp: number;
  readonly clip: number;
  readonly bpttDepth: number;
  /** How many segments of each stream are evaluated; all when null. */
  readonly evaluated: number | null;
}

/** Trains, evaluates, and saves the model in `storage`. Throws `Interrupted` when a signal comes. */
export async function runText(
  config: TextConfig,
  storage: RunStorage,
  options: RunOptions,
): Promise<Measured> {
  const { segmentLength, seed } = config;
  const task = await loadTask(config, options.corpora);
  const { name, preset, sizes, memoryTokens, cache, cutoffs } = config.model;
  const { layers, heads, dModel, dHead, dInner } = sizes;
  const common = {
    ...preset,
    nToken: task.vocabulary,
    nLayer: layers,
    nHead: heads,
    dModel,
    dHead,
    dInner,
    numMemTokens: memoryTokens,
    backend: options.context.backend,
  };
  if (name === 'encoder-rmt' && 'documents' in task) {
    const { maxSegments = 1 } = config;
    const encoder = { ...common, ...task.special, classes: task.classes.length };
    const model = new EncoderRMT({ ...encoder, segmentLength, maxSegments }, seed);
    return measure(config, storage, options, { model, task }, async () => {
      const { accuracy, f1, samples } = await evaluateDocuments({ model, task });
      return { scores: { accuracy, f1: f1.reduce((a, b) => a + b, 0) / f1.length }, samples };
    });
  }
  if (name !== 'encoder-rmt' && 'segment' in task) {
    const model = createModel(name, { ...common, memLen: cache, cutoffs }, seed);
    return measure(config, storage, options, { model, task }, async () => {
      const { batchSize, evaluated } = config;
      const segments = evaluated ?? undefined;
      const { backend } = options.context;
      const how = { model, task, segmentLength, batchSize, segments, backend };
      const { bits, perplexity, tokens } = await evaluateStream(how);
      return { scores: { bits, perplexity }, samples: tokens };
    });
  }
  throw new MemgradError(`The model '${name}' can't learn from '${config.corpus}'.`);
}

/** Trains, scores by `evaluate`, and saves. */
async function measure(
  config: TextConfig,
  storage: RunStorage,
  { context, label }: RunOptions,
  { model, task }: Pick<Parameters<typeof train>[0], 'model' | 'task'>,
  evaluate: () => Promise<Pick<Measured, 'scores' | 'samples'>>,
): Promise<Measured> {
  const { output, interrupt, backend } = context;
  const { steps, learningRate, segmentLength, batchSize, seed, clip, bpttDepth } = config;
  const optimizer = new AdamW({ learningRate, betas: [0.9, 0.98], weightDecay: 0 });
  const schedule = warmUp(config.warmUp, cosine(steps));
  const started = performance.now();
  const losses: number[] = [];
  const how = { segmentLength, steps, batchSize, seed, clip, bpttDepth, schedule, backend };
  const { signal } = interrupt;
  for await (const step of train({ model, task, optimizer, ...how, signal })) {
    losses.push(step.loss);
    output.event('step', { model: config.model.name, ...step });
    output.live(() => {
      const seconds = (performance.now() - started) / 1000;
      const left = (seconds / step.step) * (steps - step.step);
      return `${label}step ${step.step}/${steps}  loss ${recentMean(losses).toFixed(3)}  ${clock(left)} left`;
    });
  }
  const seconds = (performance.now() - started) / 1000;
  optimizer.dispose();
  await interrupt.check();
  output.live(() => `${label}evaluating`);
  const { scores, samples } = await evaluate();
  output.settle();
  const parameters = model.parameterCount();
  const tensors = Object.entries(await readArrays(model.parameters()));
  await storage.write('model.safetensors', encodeSafetensors(new Map(tensors)));
  const text = `${JSON.stringify(config, null, 2)}\n`;
  await storage.write('config.json', new TextEncoder().encode(text));
  model.dispose();
  return { config, parameters, steps: losses.length, seconds, scores, samples };
}

async function loadTask(
  { corpus, words, seed }: TextConfig,
  folder: string | undefined,
): Promise<StreamTask | DocumentTask> {
  if (folder === undefined && published.includes(corpus)) {
    throw new MemgradError(
      `The corpus '${corpus}' is read from its published files; name their folder with --corpora.`,
    );
  }
  if (corpus in documents) {
    const found = await documents[corpus as keyof typeof documents](folder ?? '', seed);
    const training = found.documents.filter(({ part }) => part === 'train');
    const text = Buffer.concat(training.map(({ text }) => text));
    const tokenizer = new WordTokenizer(text, { split: 'prose', most: wordsOf(words) });
    return new Classification(found.documents, found.classes, tokenizer);
  }
  const text = await texts[corpus as keyof typeof texts](folder ?? '');
  const split = corpus === 'wikitext-103' ? 'spaces' : 'prose';
  const tokenizer =
    words === 'bytes'
      ? new ByteTokenizer(text.train, text.validation, text.test)
      : new WordTokenizer(text.train, { split, most: wordsOf(words) });
  return new Language(text, tokenizer);
}

function wordsOf(words: TextConfig['words']): number | undefined {
  return typeof words === 'number' ? words : undefined;
}
