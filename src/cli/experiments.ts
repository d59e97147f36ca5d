/** The commands of `experiments/`, which exist in a checkout of the repository only. */
import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { MemgradError } from '../errors.js';

/** Where the build puts them: in dist, next to the folders of the command line and its chunks. */
const built = new URL('../experiments/commands.js', import.meta.url);

const names = ['parity', 'reproduce'];

/** Adds the commands to `program`. In the installed package they say where to find them. */
export async function addExperiments(program: Command): Promise<void> {
  if (existsSync(built)) {
    const { commands } = await import(built.href);
    for (const add of commands) add(program);
    return;
  }
  for (const name of names) {
    program
      .command(name, { hidden: true })
      .description(elsewhere(name))
      .helpOption(false)
      .allowUnknownOption()
      .allowExcessArguments()
      .action(() => {
        throw new MemgradError(elsewhere(name));
      });
  }
}

const elsewhere = (name: string) =>
  `memgrad ${name} exists in a checkout of the repository only; the package doesn't contain the experiments.`;
