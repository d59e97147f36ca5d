/** The options of every command (--seed, --backend, --threads and --json), and what they set up. */
import { type Command, Option } from 'commander';
import { setDefaultBackend } from '../autograd/index.js';
import { type Backend, type BackendName, backendNames, loadBackend } from '../backends/index.js';
import { type Interrupt, interrupt } from './interrupt.js';
import { type Output, openOutput } from './output.js';
import { or, whole } from './parsers.js';

/** The options of every command. */
export interface CommonOptions {
  seed?: number;
  backend: BackendName;
  threads?: number | 'auto';
  json?: boolean;
}

/** The output, the backend and the interrupt of a command. */
export interface Context {
  readonly output: Output;
  readonly backend: Backend;
  readonly interrupt: Interrupt;
}

/**
 * Adds the common options. `seed` is the help of --seed: what it decides, and its default; without
 * it, there is no --seed.
 */
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
    .option(
      '--threads <n>',
      'threads on wasm, or auto: the number of processors (default: 1)',
      or('auto', whole(1, 64)),
    )
    .option('--json', 'print one JSON object per line and nothing else');
}

/**
 * Sets up the output and the backend of a command. A command that saves nothing doesn't listen for
 * signals, so one ends it at once, whatever it computes. The first process of a container always
 * listens, since the system doesn't apply default actions to it.
 */
export async function openContext(
  { backend: name, threads, json = false }: CommonOptions,
  { saves = true } = {},
): Promise<Context> {
  const listening = saves || process.pid === 1 ? interrupt.listen() : undefined;
  const [backend, output] = await Promise.all([
    loadBackend(name, { threads }),
    openOutput(json),
    listening,
  ]);
  setDefaultBackend(backend);
  process.once('beforeExit', () => backend.close?.());
  return { output, backend, interrupt };
}
