/** `memgrad tasks`: lists the tasks. */
import type { Command } from 'commander';
import { Key } from '../autograd/index.js';
import { createTask, describeTask, IGNORED, taskNames } from '../tasks/index.js';
import { type CommonOptions, commonOptions, openContext } from './context.js';
import { metricNames } from './describe-evaluation.js';
import { percent, wrap } from './format.js';

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
  for (const name of taskNames) {
    const { summary } = describeTask(name);
    const task = createTask(name);
    const { inputs, targets, promptLength } = task.batch(Key.of(options.seed ?? 0), 1, 'test');
    const prompt = task.show(inputs.subarray(0, promptLength));
    const answer = task.show(targets.filter((target) => target !== IGNORED));
    output.event('task', {
      name,
      summary,
      metric: task.metric,
      chance: task.chance,
      prompt,
      answer,
    });
    const line = (title: string, text: string) =>
      `  ${title.padEnd(10)}${wrap(text, output.columns - 12).replaceAll('\n', `\n${' '.repeat(12)}`)}`;
    output.print(
      [
        `${output.colour('bold', name)}: ${summary}`,
        line('prompt', prompt),
        line('answer', answer),
        line('chance', `${percent(task.chance)} of the ${metricNames[task.metric]}, guessing`),
        line('train it', `memgrad train --task ${name}`),
      ].join('\n'),
    );
  }
  output.print('A text of your own: memgrad train --text FILE');
}
