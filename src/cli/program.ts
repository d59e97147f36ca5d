/** The command `memgrad`: its sub-commands, and the handling of errors. */
import { CommanderError } from 'commander';
import { MemgradError } from '../errors.js';
import { MEMGRAD_VERSION } from '../runs/index.js';
import { explain } from '../runs/node/explained.js';
import { SuggestingCommand } from './command.js';
import { addDemo } from './demo.js';
import { addEval } from './eval.js';
import { addExperiments } from './experiments.js';
import { addExplain } from './explain.js';
import { addGradcheck } from './gradcheck.js';
import { addInspect } from './inspect.js';
import { Interrupted, interrupt, Unread } from './interrupt.js';
import { addReport } from './report.js';
import { addSample } from './sample.js';
import { addTasks } from './tasks.js';
import { addTrain } from './train.js';

const USAGE = 2;
const BUG = 1;

const program = new SuggestingCommand('memgrad')
  .description(
    'Trains models with and without memory on tasks that need it, and checks the gradients they learn by.',
  )
  .version(MEMGRAD_VERSION, '-v, --version', 'print the version')
  .helpOption('-h, --help', 'print this help')
  .addHelpText(
    'after',
    `
Examples:
  $ memgrad demo                                   watch three models learn
  $ memgrad train --stop-at 0.998 --out runs/copy  train one, and save it
  $ memgrad eval runs/copy                         see how well it answers
  $ memgrad train --resume runs/copy               go on where it stopped
  $ memgrad sample runs/copy                       see what it says
  $ memgrad report runs/copy                       write a page about it
  $ memgrad train --text book.txt --out runs/book  learn a text of your own
  $ memgrad sample runs/book --prompt "Call me"    let it continue
  $ memgrad train --help                           list all options
  $ memgrad explain "tanh(w*x+b)"                  step through its gradients
`,
  )
  .exitOverride()
  .configureHelp({ helpWidth: Math.min(process.stdout.columns || 80, 100) })
  .configureOutput({
    // Joins an error and the suggestion after it in one line.
    outputError: (text, write) => write(`${text.trim().replaceAll('\n', ' ')}\n`),
  });
const commands = [
  addDemo,
  addTrain,
  addEval,
  addSample,
  addReport,
  addInspect,
  addTasks,
  addExplain,
  addGradcheck,
];
for (const add of commands) add(program);
await addExperiments(program);

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = report(error);
}
try {
  await interrupt.check(); // errors of the output arrive late
} catch (error) {
  process.exitCode ||= report(error);
}

/** Prints an error; returns the exit code. */
function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : USAGE; // already printed
  if (error instanceof Unread) return 0;
  if (error instanceof Interrupted) {
    console.error(`memgrad: ${error.message}`);
    return error.exitCode;
  }
  if (error instanceof MemgradError) {
    console.error(`error: ${error.message}`);
    return USAGE;
  }
  if (error instanceof RangeError && /allocation failed|array length/i.test(error.message)) {
    console.error(
      `error: There is not enough memory for these sizes (${error.message}); make the model or the batch smaller.`,
    );
    return USAGE;
  }
  const { syscall, path } = error as NodeJS.ErrnoException;
  const refused = syscall ? explain(`${syscall}${path ? ` '${path}'` : ''}`, error) : undefined;
  if (refused) {
    console.error(`error: ${refused.message}`);
    return USAGE;
  }
  console.error(error);
  console.error('This is a bug in memgrad.');
  return BUG;
}
