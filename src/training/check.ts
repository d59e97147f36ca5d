/** Argument checks of training and evaluation. */
import { Tensor } from '../autograd/index.js';
import { describe, MemgradError } from '../errors.js';
import type { EncoderRMT } from '../models/encoder-rmt.js';
import { isLanguageModel } from '../models/layers/inputs.js';
import type { SegmentModel } from '../models/segment-model.js';
import type { Kind } from '../options.js';
import { check, requireThat, requireTokens, whole } from '../options.js';
import { type AnyTask, type DocumentBatch, IGNORED } from '../tasks/index.js';
import type { Batch } from '../tasks/task.js';
import type { Carry } from './stream-loss.js';

/** The carry of the previous step along a stream. */
export const carryKind: Kind = [
  'what streamLoss returned',
  (carry?: Carry | null) =>
    Array.isArray(carry?.states) &&
    Array.isArray(carry.inputs) &&
    carry.states.length === carry.inputs.length + 1 &&
    carry.inputs.every((tokens) => tokens instanceof Tensor),
];

/** Throws `MemgradError` unless `model` is a language model. */
export function requireLanguageModel(where: string, model: SegmentModel): void {
  const expected = `a language model, as createModel makes${lackOf(model)}`;
  requireThat(isLanguageModel(model), `${where}: model`, expected, model);
}

/** The part of a message that says which method a model lacks; empty where it has none of them. */
function lackOf(model: unknown): string {
  const { initialState, forward, loss } = Object(model);
  const isBegun = typeof model === 'object' && (initialState || forward) && !loss; // an encoder has loss
  return isBegun ? `, with ${initialState ? 'forward(tokens, state)' : 'initialState(batch)'}` : '';
}

/** The evaluations by the method that a task draws its data with. */
const evaluations = {
  documents: 'evaluateDocuments',
  segment: 'evaluateStream',
  batch: 'evaluate',
} as const;

/** The method that a task draws its data with; undefined for what isn't a task. */
export function kindOf(task: AnyTask): 'documents' | 'segment' | 'batch' | undefined {
  const methods = Object(task) as { readonly [method: string]: unknown };
  return (['documents', 'segment', 'batch'] as const).find((name) => methods[name]);
}

/**
 * Throws `MemgradError` unless `task` is a task, with the method `kind` if that is given, and
 * `model` can read it: an `EncoderRMT` for documents, otherwise a language model that knows all its
 * tokens.
 */
export function requireFit(
  where: string,
  model: SegmentModel | EncoderRMT,
  task: AnyTask,
  kind?: 'documents' | 'segment' | 'batch',
): void {
  const found = kindOf(task);
  if (kind && found && found !== kind) {
    throw new MemgradError(
      `${where}: task must be a task with ${kind}(), got ${describe(task)}, which has ${found}(); call ${evaluations[found]}.`,
    );
  }
  const wanted = kind ? `a task with ${kind}()` : 'a task, as createTask makes';
  requireThat(found, `${where}: task`, wanted, task);
  const { show } = Object(task) as { readonly show?: unknown };
  const shows = kind !== 'batch' || typeof show === 'function';
  requireThat(shows, `${where}: show() of the task`, 'a function', show);
  const classifies = found === 'documents';
  // Checks methods rather than the class, so the encoder isn't loaded by apps that don't train one.
  if (classifies ? !Object(model).loss : !isLanguageModel(model)) {
    const why = classifies
      ? 'has documents to classify, which takes an EncoderRMT'
      : `takes a language model, as createModel makes${lackOf(model)}`;
    throw new MemgradError(`${where}: '${task.name}' ${why}; got ${describe(model)}.`);
  }
  const most = model.config?.nToken;
  const name = `the vocabulary of '${task.name}', within the model's nToken,`;
  check(`${where}: ${name}`, task.vocabulary, whole(1, most));
}

/**
 * Throws `MemgradError` unless `batch` has `size` rows of inputs and targets, all tokens are below
 * `vocabulary`, and at least one target counts. Without a vocabulary it checks only the sizes.
 */
export function checkBatch(where: string, batch: Batch, size?: number, vocabulary?: number): void {
  check(`${where}: size`, batch?.size, whole(size, size));
  check(`${where}: time`, batch.time, whole());
  const { inputs, targets } = batch;
  const length = batch.size * batch.time;
  for (const list of [inputs, targets]) {
    const fits = list instanceof Int32Array && list.length === length;
    requireThat(
      fits,
      `${where}: inputs and targets`,
      `Int32Arrays of size × time = ${length}`,
      list,
    );
  }
  if (!vocabulary) return;
  const counts = (target: number) => target !== IGNORED;
  requireThat(targets.some(counts), `${where}: targets`, 'some that count', targets);
  requireTokens(where, inputs, vocabulary);
  // No `filter`: making an array takes longer than all other checks of a small batch.
  const wrong = targets.find((target) => counts(target) && !(target >= 0 && target < vocabulary));
  if (wrong !== undefined) requireTokens(where, [wrong], vocabulary);
}

/**
 * Throws `MemgradError` unless there is one class below `most` per document. The encoder checks the
 * documents.
 */
export function requireClasses(where: string, batch: DocumentBatch, most: number): void {
  const { documents, classes } = Object(batch) as DocumentBatch;
  requireTokens(`${where}: classes`, classes, most);
  const { length } = classes;
  requireThat(
    length && length === documents?.length,
    `${where}: classes`,
    'one a document',
    length,
  );
}
