/** The checks of what training and evaluation are given. */
import { Tensor } from '../autograd/index.js';
import { describe, MemgradError, requireThat, requireTokens, requireWhole } from '../errors.js';
import { EncoderRMT } from '../models/encoder-rmt.js';
import type { SegmentModel } from '../models/segment-model.js';
import { type AnyTask, type DocumentBatch, IGNORED } from '../tasks/index.js';
import type { Part } from '../tasks/stream.js';
import type { Batch } from '../tasks/task.js';
import type { Carry } from './stream-loss.js';

/** The method that tells each kind of task. */
const kinds = ['documents', 'segment', 'batch'] as const;

/** Throws `MemgradError` unless `task` is a task, of the kind that has the method `kind`, and `model` reads what it has and knows all of its tokens. */
export function requireFit(
  where: string,
  model: SegmentModel | EncoderRMT,
  task: AnyTask,
  kind?: (typeof kinds)[number],
): void {
  const methods = (task ?? {}) as unknown as Record<string, unknown>;
  const found = kinds.find((name) => typeof methods[name] === 'function');
  const wanted = kind === undefined ? 'a task, as createTask makes' : `a task with ${kind}()`;
  requireThat(found && found === (kind ?? found), `${where}: task`, wanted, task);
  const isEncoder = model instanceof EncoderRMT;
  if (!isEncoder) requireLanguageModel(where, model);
  if (isEncoder !== (found === 'documents')) {
    const why = isEncoder
      ? 'takes a language model, but an EncoderRMT says classes; make the model with createModel'
      : 'has documents to classify, which takes an EncoderRMT; got another model';
    throw new MemgradError(`${where}: '${task.name}' ${why}.`);
  }
  requireWhole(where, `the vocabulary of the task ${describe(task.name)}`, task.vocabulary);
  const { nToken = Infinity } = model.config ?? {};
  if (task.vocabulary <= nToken) return;
  throw new MemgradError(
    `${where}: the task '${task.name}' has ${task.vocabulary} different tokens, but the model nToken ${nToken}; make it with nToken: task.vocabulary.`,
  );
}

/** Throws `MemgradError` unless `model` is a language model. */
export function requireLanguageModel(where: string, model: SegmentModel): void {
  const fits = typeof model?.initialState === 'function' && typeof model.forward === 'function';
  requireThat(fits, `${where}: model`, 'a language model, as createModel makes', model);
}

/**
 * Throws `MemgradError` unless `batch` has `size` rows of inputs and targets, all of them tokens
 * below `vocabulary`, and a target that counts. Without a vocabulary only the sizes are looked at.
 */
export function checkBatch(where: string, batch: Batch, size?: number, vocabulary?: number): void {
  const { inputs, targets, time } = batch ?? {};
  requireWhole(where, 'size', batch?.size, size, size);
  requireWhole(where, 'time', time);
  for (const [name, values] of Object.entries({ inputs, targets })) {
    const length = batch.size * time;
    const fits = values instanceof Int32Array && values.length === length;
    requireThat(fits, `${where}: ${name}`, `an Int32Array of size × time = ${length}`, values);
  }
  if (vocabulary === undefined) return;
  requireTokens(`${where}: inputs`, inputs, vocabulary);
  const counted = targets.filter((target) => target !== IGNORED);
  requireTokens(`${where}: targets`, counted, vocabulary);
  const expected = `one or more that aren't ${IGNORED}, which says "doesn't count"`;
  requireThat(counted.length > 0, `${where}: targets`, expected, counted);
}

/** Throws `MemgradError` unless there are documents of tokens below `vocabulary`, with one of `classes` classes each. */
export function checkDocuments(
  where: string,
  batch: DocumentBatch,
  vocabulary: number,
  classes: number,
): void {
  const { documents, classes: wanted } = batch ?? {};
  const some = Array.isArray(documents) && documents.length > 0;
  requireThat(some, `${where}: documents`, 'a list of one or more', documents);
  for (const document of documents) requireTokens(where, document, vocabulary);
  requireTokens(`${where}: classes`, wanted, classes);
  requireWhole(where, 'the number of classes', wanted.length, documents.length, documents.length);
}

/** Throws `MemgradError` unless `onProgress` is a function, or left out. */
export function requireProgress(where: string, onProgress: unknown): void {
  const fits = onProgress === undefined || typeof onProgress === 'function';
  requireThat(fits, `${where}: onProgress`, 'a function', onProgress);
}

/** Throws `MemgradError` unless `part` is a part of a text or of documents. */
export function requirePart(where: string, part: Part): void {
  const parts: readonly Part[] = ['train', 'validation', 'test'];
  requireThat(parts.includes(part), `${where}: part`, parts.join(' or '), part);
}

/** Throws `MemgradError` unless `carry` has the states and inputs of a stream. */
export function requireCarry(where: string, carry: Carry): void {
  const { states, inputs } = carry ?? {};
  const fits =
    Array.isArray(states) &&
    Array.isArray(inputs) &&
    states.length === inputs.length + 1 &&
    inputs.every((tokens) => tokens instanceof Tensor);
  requireThat(fits, `${where}: carry`, 'what streamLoss returned', carry);
}
