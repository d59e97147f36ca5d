/**
 * The tasks by name. A new one gets a file of its own and a line in the table.
 *
 * @module memgrad/tasks
 */
import { MemgradError } from '../errors.js';
import { Copy, type CopyOptions } from './copy.js';
import type { Task } from './task.js';

export { Copy, type CopyOptions } from './copy.js';
export * from './task.js';

const tasks = {
  copy: {
    summary: 'read symbols, then write them again (twice, as in the paper)',
    create: (options) => new Copy(options),
  },
} satisfies Record<string, { summary: string; create: (options: CopyOptions) => Task }>;

/** The name of a task. */
export type TaskName = keyof typeof tasks;
/** What each task asks for, by name. */
export const taskSummaries: Readonly<Record<TaskName, string>> = { copy: tasks.copy.summary };

/** The task called `name`. Throws for an unknown name or options that cannot be. */
export function createTask(name: string, options: CopyOptions = {}): Task {
  if (!Object.hasOwn(tasks, name)) {
    throw new MemgradError(
      `task: '${name}' is not known; choose one of ${Object.keys(tasks).join(', ')}.`,
    );
  }
  return tasks[name as TaskName].create(options);
}
