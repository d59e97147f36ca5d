/**
 * The tasks by name. A new task needs a file of its own and a line in the table.
 *
 * @module memgrad/tasks
 */
import '../default-backend.js';
import { refuseName } from '../options.js';
import { Copy } from './copy.js';
import type { DocumentTask } from './documents.js';
import { Memorize } from './memorize.js';
import type { TaskOptions } from './options.js';
import { Quadratic } from './quadratic.js';
import { Retrieval } from './retrieval.js';
import { Reverse } from './reverse.js';
import type { StreamTask } from './stream.js';
import type { Task } from './task.js';

export { Copy, type CopyOptions } from './copy.js';
export * from './documents.js';
export { cutText, Language, type TextParts } from './language.js';
export { Memorize, type MemorizeOptions } from './memorize.js';
export type { MergeTable } from './merges.js';
export type { TaskOption, TaskOptions } from './options.js';
export { type PairOptions, PairTable, PairTokenizer } from './pairs.js';
export { promptTokens } from './prompt.js';
export { Quadratic, type QuadraticOptions } from './quadratic.js';
export { Retrieval, type RetrievalOptions } from './retrieval.js';
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
  copy: Copy,
  reverse: Reverse,
  retrieval: Retrieval,
  quadratic: Quadratic,
  memorize: Memorize,
} satisfies Record<string, TaskClass>;

/** A task by name. */
interface TaskClass {
  new (options?: never): Task;
  /** The task in a line. */
  readonly summary: string;
  /** The options with their defaults. */
  options(): TaskOptions;
}

/** The name of a task. */
export type TaskName = keyof typeof tasks;
/** The names that `createTask` accepts. */
export const taskNames = /* @__PURE__ */ Object.keys(tasks) as TaskName[];

/** The options of the task `Name`. */
export type OptionsOf<Name extends TaskName> = NonNullable<
  ConstructorParameters<(typeof tasks)[Name]>[0]
>;

/** The table of the options of the task `Name`. */
export type OptionsTable<Name extends TaskName> = ReturnType<(typeof tasks)[Name]['options']>;

/** The task `name` in a line, and the table of its options. Throws `MemgradError` for another name. */
export function describeTask(name: TaskName): { summary: string; options: TaskOptions } {
  requireTask('describeTask', name);
  return { summary: tasks[name].summary, options: tasks[name].options() };
}

/**
 * Creates the task called `name`. Throws `MemgradError` for an unknown name and invalid options.
 */
export function createTask<Name extends TaskName>(name: Name, options: OptionsOf<Name> = {}): Task {
  requireTask('createTask', name);
  return new (tasks[name] as new (options: object) => Task)(options);
}

function requireTask(where: string, name: TaskName): void {
  if (!taskNames.includes(name)) refuseName(where, 'task', name, taskNames);
}
