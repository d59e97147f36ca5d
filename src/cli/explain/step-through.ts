/** Steps through an explanation with the keys of a terminal. */
import { createInterface, emitKeypressEvents } from 'node:readline';
import type { Nested } from '../../autograd/index.js';
import { MemgradError } from '../../errors.js';
import {
  type Explanation,
  explain,
  knownAt,
  parseValues,
  type Step,
  showNode,
  showValue,
  stepsOf,
} from '../../explain/index.js';
import { fit, wrap } from '../format.js';
import type { Output } from '../output.js';
import { marked, notes, stepLines, tapeOf } from './lines.js';

const FORWARD = ['right', 'space', 'return'];
const HELP = '→ forward  ← back  home first  end last  v change a value  q leave';

/** Shows one step at a time until the user leaves. */
export async function stepThrough(
  explanation: Explanation,
  at: ReadonlyMap<string, Nested>,
  output: Output,
): Promise<void> {
  const { createLogUpdate } = await import('log-update');
  const show = createLogUpdate(process.stdout);
  let shown = explanation;
  let values = at;
  let position = 0;
  let message = '';
  try {
    while (true) {
      const last = stepsOf(shown).length - 1;
      position = Math.min(position, last);
      const foot = message || output.colour('dim', HELP);
      show([...view(shown, position, output), '', foot].join('\n'));
      message = '';
      const key = await pressed();
      if (key === 'q' || key === 'escape') break;
      if (key === 'left') position = Math.max(0, position - 1);
      else if (key === 'home') position = 0;
      else if (key === 'end') position = last;
      else if (FORWARD.includes(key)) position = Math.min(last, position + 1);
      else if (key === 'v') {
        show.clear();
        try {
          const changed = new Map([...values, ...parseValues(await asked('name=value: '))]);
          shown = await explain(shown.expression, { at: changed });
          values = changed;
        } catch (error) {
          if (!(error instanceof MemgradError)) throw error;
          message = output.colour('red', wrap(error.message, output.columns));
        }
      }
    }
  } finally {
    show.done();
    process.stdin.setRawMode(false);
    process.stdin.pause();
  }
}

/** The name of the next key. */
function pressed(): Promise<string> {
  const { stdin } = process;
  emitKeypressEvents(stdin);
  stdin.setRawMode(true);
  stdin.resume();
  return new Promise((resolve) => {
    // In raw mode Ctrl-C is a key like any other.
    stdin.once('keypress', (_, { name = '', ctrl }: { name?: string; ctrl?: boolean }) =>
      resolve(ctrl && name === 'c' ? 'q' : name),
    );
  });
}

/** Reads a line from the user. */
function asked(question: string): Promise<string> {
  const lines = createInterface({ input: process.stdin, output: process.stdout });
  return new Promise((resolve) => {
    lines.question(question, (answer) => {
      lines.close();
      resolve(answer);
    });
  });
}

function view(explanation: Explanation, position: number, output: Output): string[] {
  const steps = stepsOf(explanation);
  const step = steps[position];
  const { values, gradients } = knownAt(explanation, position);
  const below = stepText(explanation, step, output);
  const tape = tapeOf(explanation, Math.floor(output.columns * 0.4));
  const width = tape[0]?.text.length ?? 0;
  const half = Math.max(8, Math.floor((output.columns - width - 6) / 2));
  const rows = tape.map(({ node: { id, value, shape }, text }) => {
    const known = values.has(id) ? showValue(value, shape) : '';
    const sum = gradients.get(id);
    const row = `${text}  ${fit(known, half).padEnd(half)}  ${sum ? fit(showValue(sum, shape), half) : ''}`;
    const isCurrent = step.kind !== 'start' && step.node === id;
    const lost = [values.has(id) ? value : [], sum ?? []];
    return marked(output, isCurrent ? output.colour('bold', `▸ ${row}`) : `  ${row}`, ...lost);
  });
  const current = tape.findIndex(({ node }) => step.kind !== 'start' && step.node === node.id);
  const room = Math.max(5, (process.stdout.rows || 24) - below.length - 9);
  const from = Math.max(0, Math.min(current - Math.floor(room / 2), rows.length - room));
  const title = `  ${'tape'.padEnd(width)}  ${'value'.padEnd(half)}  gradient`;
  return [
    output.colour('dim', `Step ${position} of ${steps.length - 1}`),
    output.colour('dim', title),
    ...rows.slice(from, from + room),
    '',
    ...below,
  ];
}

/** The text of a step. */
function stepText(explanation: Explanation, step: Step, output: Output): string[] {
  const { nodes } = explanation;
  if (step.kind === 'start') {
    const said = ['The variables have their values.', ...notes(explanation)].join(' ');
    return wrap(said, output.columns).split('\n');
  }
  const node = nodes[step.node];
  if (step.kind === 'backward') return ['Backward', ...stepLines(explanation, step.back, output)];
  if (step.kind === 'seed') {
    return [
      'Backward begins',
      `  d${node.name} = 1, the derivative of the result with respect to itself`,
    ];
  }
  const ran =
    node.ranAs.length > 1 || node.ranAs[0] !== node.operation
      ? wrap(`${node.operation} ran as ${node.ranAs.join(', ')}`, output.columns - 2).split('\n')
      : [];
  return [
    'Forward',
    `  ${output.colour('cyan', showNode(explanation, node))}`,
    marked(output, fit(`    = ${showValue(node.value, node.shape)}`, output.columns), node.value),
    ...ran.map((line) => `  ${output.colour('dim', line)}`),
  ];
}
