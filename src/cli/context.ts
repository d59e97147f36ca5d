/** What every command has: the options --seed, --backend, --threads and --json, and what they lead to. */
import { type Command, Option } from 'commander';
import { setDefaultBackend } from '../autograd/index.js';
import { type Backend, type BackendName, backendNames, loadBackend } from '../backends/index.js';
import { type Interrupt, interrupt } from './interrupt.js';
import { Output } from './output.js';
import { whole } from './parsers.js';

/** The options of every command. */
export interface CommonOptions {
  seed?: number;
  backend: BackendName;
  threads?: number;
  json?: boolean;
}

/** What a command works with. */
export interface Context {
  readonly output: Output;
  readonly backend: Backend;
  readonly interrupt: Interrupt;
}

/** Adds the common options; `seed` says what the seed decides, and what it is when left out; there is none without. */
export function commonOptions(
  command: Command,
  seed?: string,
  backend: BackendName = 'wasm',
): Command {
  if (seed) command.option('--seed <n>', seed, whole(0, Number.MAX_SAFE_INTEGER));
  return command
    .addOption(
      new Option('--backend <name>', 'what computes').choices(backendNames).default(backend),
    )
    .option('--threads <n>', 'threads for large products, on wasm (default: 1)', whole(1, 64))
    .option('--json', 'print one JSON object a line and nothing else');
}

/**
 * Makes ready what the common options ask for. A command that does not save has nothing to do when a
 * signal comes, so it ends as signals end a process: at once, whatever it computes. The first process
 * of a container is the exception, since the system spares it.
 */
export async function openContext(
  { backend: name, threads, json = false }: CommonOptions,
  { saves = true } = {},
): Promise<Context> {
  const listening = saves || process.pid === 1 ? interrupt.listen() : undefined;
  const [backend] = await Promise.all([loadBackend(name, { threads }), listening]);
  setDefaultBackend(backend);
  process.once('beforeExit', () => backend.close?.());
  return { output: new Output(json), backend, interrupt };
}
