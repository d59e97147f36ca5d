/** One run of an experiment in its folder: trains it, or finds that it is done. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MemgradError } from 'memgrad';
import { FolderStorage } from 'memgrad/runs/node';
import { type Measured, otherRun, type RunOptions } from './measured.js';
import { runTask } from './task-run.js';
import { runText } from './text-run.js';

/** Written last: a folder that has it is done. */
const RESULT_FILE = 'result.json';

/**
 * Reads the result in `folder`; undefined where the run is not done. Throws `MemgradError` for a
 * run of another configuration.
 */
export async function measuredIn(
  folder: string,
  config: Measured['config'],
): Promise<Measured | undefined> {
  const text = await readFile(join(folder, RESULT_FILE), 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  const found = parse(text, folder);
  if (JSON.stringify(found.config) === JSON.stringify(config)) return found;
  throw otherRun(folder);
}

/**
 * Trains the run of `config` in `folder`, continues it if it was interrupted, or reads its result
 * if it is done. Throws `Interrupted` on a signal.
 */
export async function trainInto(
  folder: string,
  config: Measured['config'],
  options: RunOptions,
): Promise<Measured> {
  const done = await measuredIn(folder, config);
  if (done) return done;
  const storage = new FolderStorage(folder);
  await storage.make();
  const measured = await ('corpus' in config
    ? runText(config, storage, options)
    : runTask(config, storage, options));
  const text = `${JSON.stringify(measured, null, 2)}\n`;
  await storage.write(RESULT_FILE, new TextEncoder().encode(text));
  return measured;
}

function parse(text: string, folder: string): Measured {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new MemgradError(
      `'${join(folder, RESULT_FILE)}' is not valid JSON; delete it to continue the run.`,
      { cause },
    );
  }
}
