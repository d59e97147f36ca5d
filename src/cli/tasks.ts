/** `memgrad tasks`: what there is to learn. */
import type { Command } from 'commander';
import { Key } from '../autograd/index.js';
import { createTask, IGNORED, type TaskName, taskSummaries } from '../tasks/index.js';
import { type CommonOptions, commonOptions, openContext } from './context.js';
import { percent } from './format.js';

/** Adds the command to `program`. */
export function addTasks(program: Command): void {
  const command = program
    .command('tasks')
    .summary('list the tasks, with a sample of each')
    .description('Lists the tasks, each with a sample and what guessing would get right.');
  commonOptions(command, 'decides the samples (default: 0)')
    .addHelpText(
      'after',
      `
Examples:
  $ memgrad tasks
  $ memgrad tasks --seed 3 --json
`,
    )
    .action(runTasks);
}

async function runTasks(options: CommonOptions): Promise<void> {
  const { output } = await openContext(options);
  for (const [name, summary] of Object.entries(taskSummaries)) {
    const task = createTask(name as TaskName, { length: 8 });
    const { inputs, targets, promptLength } = task.batch(Key.of(options.seed ?? 0), 1, 'test');
    const prompt = task.show(inputs.subarray(0, promptLength));
    const answer = task.show(targets.filter((target) => target !== IGNORED));
    output.event('task', { name, summary, chance: task.chance, prompt, answer });
    output.print(
      [
        `${output.colour('bold', name)}: ${summary}`,
        `  prompt    ${prompt}`,
        `  answer    ${answer}`,
        `  chance    ${percent(task.chance)} of the answer tokens, guessing`,
        `  train it  memgrad train --task ${name}`,
      ].join('\n'),
    );
  }
}
