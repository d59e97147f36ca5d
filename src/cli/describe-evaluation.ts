/** Describes an evaluation in words. */
import type { Task, TextTask } from '../tasks/index.js';
import type { Evaluation } from '../training/index.js';
import { count, fit, percent, wrap } from './format.js';
import type { Output } from './output.js';

/** What each metric counts. */
export const metricNames = { tokens: 'answer tokens', answers: 'whole answers' } as const;

/** A loss on a text in the unit of its tokens. */
export function unitOf({ unit }: TextTask, loss: number): string {
  return unit === 'perplexity'
    ? `perplexity ${Math.exp(loss).toFixed(2)}`
    : `${(loss / Math.LN2).toFixed(3)} bits per byte`;
}

/** The scores, and one sequence with its right answer and the model's answer. */
export function describeEvaluation(
  { accuracy, exact, samples, example }: Evaluation,
  task: Task,
  output: Output,
): string {
  const result =
    `Held-out sequences, decoded freely: ${percent(accuracy)} of the answer tokens are right, and ` +
    `${percent(exact)} of ${count(samples)} answers in full. Guessing gets ${percent(task.chance)} of the ${metricNames[task.metric]}.`;
  const line = (name: string, text: string) =>
    `  ${name.padEnd(14)}${fit(text, output.columns - 17)}`;
  return [
    wrap(result, output.columns),
    line('prompt', example.prompt),
    line('right answer', example.answer),
    line('given answer', example.predicted),
  ].join('\n');
}
