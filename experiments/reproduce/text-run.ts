/** A run on real text: language modelling along streams, or classification of documents. */
import { MemgradError } from 'memgrad';
import { clock, recentMean, requireEmpty } from 'memgrad/cli';
import { createModel, EncoderRMT } from 'memgrad/models';
import {
  CONFIG_FILE,
  parseJson,
  type RunLock,
  type RunStorage,
  resumeTraining,
  saveCheckpoint,
  writeJson,
} from 'memgrad/runs';
import {
  ByteTokenizer,
  Classification,
  type DocumentTask,
  Language,
  type StreamTask,
  type TextParts,
  WordTokenizer,
} from 'memgrad/tasks';
import {
  AdamW,
  Carried,
  cosine,
  evaluateDocuments,
  evaluateStream,
  type TrainOptions,
  train,
  warmUp,
} from 'memgrad/training';
import { hyperpartisan, speeches } from '../corpora/documents.js';
import { dictionary, enwik8, mobyDick, treasury, wikitext103 } from '../corpora/texts.js';
import { type Measured, otherRun, type RunOptions } from './measured.js';
import type { DocumentCorpus, TextConfig, TextCorpus } from './text-config.js';

/**
 * Loaders of texts for language modelling and of documents for classification. Those of published
 * files need a folder.
 */
const texts = {
  gcide: () => dictionary(),
  'moby-dick': () => mobyDick(),
  treasury: () => treasury(),
  'wikitext-103': wikitext103,
  enwik8,
} satisfies Record<TextCorpus, (folder: string) => Promise<TextParts>>;
const documents = {
  speeches: (_: string, seed: number) => speeches(seed),
  hyperpartisan,
} satisfies Record<DocumentCorpus, unknown>;
const published: readonly string[] = ['wikitext-103', 'enwik8', 'hyperpartisan'];

const SAVE_EVERY = 100; // steps between checkpoints

/**
 * Trains in `storage`, continuing an earlier run there, and evaluates. Throws `Interrupted` on a
 * signal.
 */
export async function runText(
  config: TextConfig,
  storage: RunStorage,
  options: RunOptions,
): Promise<Measured> {
  const { segmentLength, seed } = config;
  const { backend, interrupt } = options.context;
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
    backend,
  };
  const onProgress = () => interrupt.check();
  if (name === 'encoder-rmt' && 'documents' in task) {
    const { maxSegments = 1 } = config;
    const encoder = { ...common, ...task.special, classes: task.classes.length };
    const model = new EncoderRMT({ ...encoder, segmentLength, maxSegments }, seed);
    return measure(config, storage, options, { model, task }, async () => {
      const { accuracy, f1, samples } = await evaluateDocuments({ model, task, onProgress });
      return { scores: { accuracy, f1: f1.reduce((a, b) => a + b, 0) / f1.length }, samples };
    });
  }
  if (name !== 'encoder-rmt' && 'segment' in task) {
    const model = createModel(name, { ...common, memLen: cache, cutoffs }, seed);
    return measure(config, storage, options, { model, task }, async () => {
      const { batchSize, evaluated } = config;
      const segments = evaluated ?? undefined;
      const how = { model, task, segmentLength, batchSize, segments, backend, onProgress };
      const { bits, perplexity, tokens } = await evaluateStream(how);
      return { scores: { bits, perplexity }, samples: tokens };
    });
  }
  throw new MemgradError(`The model '${name}' can't learn from '${config.corpus}'.`);
}

/** Trains unless that is done, then scores with `evaluate`. */
async function measure(
  config: TextConfig,
  storage: RunStorage,
  options: RunOptions,
  { model, task }: Pick<TrainOptions, 'model' | 'task'>,
  evaluate: () => Promise<Pick<Measured, 'scores' | 'samples'>>,
): Promise<Measured> {
  const { interrupt, output, backend } = options.context;
  const { steps, learningRate, segmentLength, batchSize, seed, clip, bpttDepth } = config;
  const optimizer = new AdamW({ learningRate, betas: [0.9, 0.98], weightDecay: 0 });
  const carried = 'segment' in task ? new Carried() : undefined;
  const schedule = warmUp(config.warmUp, cosine(steps));
  const { signal } = interrupt;
  const how = { segmentLength, steps, batchSize, seed, clip, bpttDepth, backend, signal };
  let lock: RunLock | undefined;
  try {
    lock = await storage.lock?.();
    await claim(storage, config, options.label);
    const training = { model, task, optimizer, carried, schedule, ...how };
    const trained = await trainOn(training, storage, config.model.name, options);
    await interrupt.check();
    output.live(() => `${options.label}evaluating`);
    const { scores, samples } = await evaluate();
    output.settle();
    const parameters = model.parameterCount();
    return { config, parameters, steps: trained.step, seconds: trained.seconds, scores, samples };
  } finally {
    model.dispose();
    optimizer.dispose();
    carried?.dispose();
    lock?.release();
  }
}

/**
 * Writes the configuration, or checks the one in `storage`. Throws `MemgradError` if it is of
 * another run.
 */
async function claim(storage: RunStorage, config: TextConfig, label: string): Promise<void> {
  const names = await storage.list();
  const begun = names.includes(CONFIG_FILE);
  if (!begun) requireEmpty('The folder of the run', names);
  if (!begun) return writeJson(storage, CONFIG_FILE, config);
  const found = parseJson(await storage.read(CONFIG_FILE), CONFIG_FILE);
  if (JSON.stringify(found) !== JSON.stringify(config)) throw otherRun(label.trim());
}

/**
 * Trains from the last checkpoint in `storage`. Saves at intervals, and at the end, even if a step
 * throws.
 */
async function trainOn(
  training: TrainOptions,
  storage: RunStorage,
  name: string,
  { context: { output }, label }: RunOptions,
): Promise<{ step: number; seconds: number }> {
  const { steps } = training;
  let { step, seconds } = await resumeTraining(storage, training);
  let saved = step;
  const save = async () => {
    if (step === saved) return;
    await saveCheckpoint(storage, training, { step, seconds });
    saved = step;
  };
  const losses: number[] = [];
  let started = performance.now();
  try {
    for await (const taken of train({ ...training, stepsTaken: step })) {
      step = taken.step;
      seconds += (performance.now() - started) / 1000;
      if (step % SAVE_EVERY === 0) await save();
      losses.push(taken.loss);
      output.event('step', { model: name, ...taken });
      output.live(() => {
        const left = (seconds / step) * (steps - step);
        return `${label}step ${step}/${steps}  loss ${recentMean(losses).toFixed(3)}  ${clock(left)} left`;
      });
      started = performance.now(); // excludes the time of saving and of showing
    }
  } catch (error) {
    await save().catch(() => {}); // keeps the first error
    throw error;
  }
  await save();
  return { step, seconds };
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
    const found = await documents[corpus as DocumentCorpus](folder ?? '', seed);
    const training = found.documents.filter(({ part }) => part === 'train');
    const text = Buffer.concat(training.map(({ text }) => text));
    const tokenizer = new WordTokenizer(text, { split: 'prose', most: wordsOf(words) });
    return new Classification(found.documents, found.classes, tokenizer);
  }
  const text = await texts[corpus as TextCorpus](folder ?? '');
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
