/** Evaluation of an encoder on documents that it wasn't trained on. */
import { argmax, scope } from '../autograd/index.js';
import type { EncoderRMT } from '../models/encoder-rmt.js';
import { callable, check, checkOptions, oneOf, requireTokens, whole } from '../options.js';
import type { DocumentTask } from '../tasks/documents.js';
import type { Part } from '../tasks/stream.js';
import { requireClasses, requireFit } from './check.js';
import { lastLogits } from './objectives/documents.js';

/** Options of `evaluateDocuments`. */
export interface EvaluateDocumentsOptions {
  model: EncoderRMT;
  task: DocumentTask;
  /** Default `test`. */
  part?: Part;
  /** Documents per forward pass. Default 8. */
  batchSize?: number;
  /**
   * Called with the completed share after each batch, and awaited. An error that it throws ends the
   * evaluation.
   */
  onProgress?: (share: number) => void | Promise<void>;
}

/** The result of `evaluateDocuments`. */
export interface DocumentEvaluation {
  readonly accuracy: number;
  /**
   * The F1 of each class, 2 TP / (2 TP + FP + FN); 0 for a class that neither occurred nor was
   * predicted.
   */
  readonly f1: readonly number[];
  readonly samples: number;
}

/**
 * Classifies every document of a part after its last segment. Throws `MemgradError` for an option
 * out of range, and for a task that doesn't fit the model.
 */
export async function evaluateDocuments(
  options: EvaluateDocumentsOptions,
): Promise<DocumentEvaluation> {
  checkOptions('evaluateDocuments', options, {
    model: 1,
    task: 1,
    part: oneOf(['train', 'validation', 'test']),
    batchSize: whole(),
    onProgress: callable,
  });
  const { model, task, part = 'test', batchSize = 8, onProgress } = options ?? {};
  requireFit('evaluateDocuments', model, task, 'documents');
  const all = task.all(part);
  const where = `evaluateDocuments: the task '${task.name}'`;
  requireClasses(where, all, task.classes.length);
  const { documents, classes } = all;
  const named: number[] = [];
  while (named.length < documents.length) {
    const present = documents.slice(named.length, named.length + batchSize);
    const predicted = scope(() => argmax(lastLogits(model, present), -1));
    named.push(...(await predicted.data()));
    predicted.dispose();
    await onProgress?.(named.length / documents.length);
  }
  return { ...judge(named, classes, task.classes.length), samples: documents.length };
}

/**
 * Returns the accuracy, and the F1 of classes 0 to `count` - 1, of the predictions `named` against
 * the true classes `wanted`.
 */
export function judge(
  named: readonly number[],
  wanted: readonly number[],
  count: number,
): Pick<DocumentEvaluation, 'accuracy' | 'f1'> {
  requireTokens('judge: named', named);
  requireTokens('judge: wanted', wanted);
  check('judge: count', count, whole(1, 2 ** 20));
  const hits = (index: number) =>
    named.filter((found, i) => found === index && wanted[i] === index).length;
  const of = (list: readonly number[], index: number) =>
    list.filter((found) => found === index).length;
  return {
    accuracy: named.filter((found, i) => found === wanted[i]).length / wanted.length,
    // TP + FP is how often a class was predicted, TP + FN how often it occurred.
    f1: Array.from({ length: count }, (_, index) => {
      const either = of(named, index) + of(wanted, index);
      return either === 0 ? 0 : (2 * hits(index)) / either;
    }),
  };
}
