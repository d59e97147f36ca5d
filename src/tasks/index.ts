/**
 * The tasks by name. A new task needs a file of its own and a line in the table.
 *
 * @module memgrad/tasks
 */
import '../default-backend.js';
import { refuseName } from '../options.js';
import { Copy, type CopyOptions } from './copy.js';
import type { DocumentTask } from './documents.js';
import { Memorize, type MemorizeOptions } from './memorize.js';
import { Quadratic, type QuadraticOptions } from './quadratic.js';
import { Retrieval, type RetrievalOptions } from './retrieval.js';
import { Reverse, type ReverseOptions } from './reverse.js';
import type { StreamTask } from './stream.js';
import type { Task } from './task.js';

export { Copy, type CopyOptions } from './copy.js';
export * from './documents.js';
export { cutText, Language, type TextParts } from './language.js';
export { Memorize, type MemorizeOptions } from './memorize.js';
export type { MergeTable } from './merges.js';
export { type PairOptions, PairTable, PairTokenizer } from './pairs.js';
export { promptTokens } from './prompt.js';
export { Quadratic, type QuadraticOptions } from './quadratic.js';
export { queryChoices, Retrieval, type RetrievalOptions } from './retrieval.js';
export { Reverse, type ReverseOptions } from './reverse.js';
export { restoreTokenizer, type SavableTokenizer } from './saved-tokenizer.js';
export type { Part, StreamTask } from './stream.js';
export { answerBatch, type Batch, IGNORED, type Sample, type Split, type Task } from './task.js';
export { TextTask } from './text-task.js';
export { ByteTokenizer, type Text, type TokenDecoder, type Tokenizer } from './tokenizers.js';
export { WordList, type WordOptions, WordTokenizer } from './words.js';

/** All types of tasks. */
export type AnyTask = Task | StreamTask | DocumentTask;

const tasks = {
  copy: {
    summary: 'read symbols, then write them again (twice, as in the paper)',
    create: (options: CopyOptions) => new Copy(options),
  },
  reverse: {
    summary: 'read symbols, then write them from the last to the first',
    create: (options: ReverseOptions) => new Reverse(options),
  },
  retrieval: {
    summary: 'read pairs of key and value, then say the value of one key',
    create: (options: RetrievalOptions) => new Retrieval(options),
  },
  quadratic: {
    summary: 'solve a quadratic equation step by step',
    create: (options: QuadraticOptions) => new Quadratic(options),
  },
  memorize: {
    summary: 'read symbols, then say the first ones, however much came after them',
    create: (options: MemorizeOptions) => new Memorize(options),
  },
} satisfies Record<string, { summary: string; create: (options: never) => Task }>;

/** The name of a task. */
export type TaskName = keyof typeof tasks;
/** The names that `createTask` accepts. */
export const taskNames = Object.keys(tasks) as TaskName[];
/** A one-line description of each task, by name. */
export const taskSummaries = /* @__PURE__ */ Object.fromEntries(
  Object.entries(tasks).map(([name, { summary }]) => [name, summary]),
) as Readonly<Record<TaskName, string>>;

/**
 * Creates the task called `name`. Throws `MemgradError` for an unknown name and invalid options.
 */
export function createTask<Name extends TaskName>(
  name: Name,
  options: Parameters<(typeof tasks)[Name]['create']>[0] = {},
): Task {
  if (!taskNames.includes(name)) refuseName('createTask', 'task', name, taskNames);
  return (tasks[name].create as (options: object) => Task)(options);
}
