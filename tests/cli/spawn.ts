/** The command line as a user calls it. */
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import * as assert from 'uvu/assert';

/** How a command ended. */
export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Starts `memgrad ...args`; `watch` sees what it printed so far and may do something to it. */
export function memgrad(
  args: readonly string[],
  watch?: (stdout: string, child: ReturnType<typeof spawn>) => void,
): Promise<Ended> {
  const child = spawn(process.execPath, [resolve('dist/cli/main.js'), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (data) => {
    stdout += data;
    watch?.(stdout, child);
  });
  child.stderr.on('data', (data) => {
    stderr += data;
  });
  return new Promise((done, failed) => {
    child.on('error', failed);
    child.on('close', (code) => done({ code, stdout, stderr }));
  });
}

/** Expects exit code 2, nothing on standard output and one line on standard error; gives that line. */
export function refused({ code, stdout, stderr }: Ended): string {
  assert.is(code, 2, stderr);
  assert.is(stdout, '');
  assert.match(stderr, /^error: [^\n]+\n$/, 'one line, so no stack');
  return stderr;
}

/** The objects of `--json`, which must be all that stands in `stdout`. */
export function events(stdout: string): Record<string, unknown>[] {
  assert.ok(stdout.endsWith('\n'));
  return stdout
    .slice(0, -1)
    .split('\n')
    .map((line) => JSON.parse(line));
}

/** Runs `use` with an empty folder that is deleted afterwards. */
export async function inFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'memgrad-test-'));
  try {
    await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Options of `train` for a model that is trained at once and learns nothing. */
export const tiny =
  '--layers 1 --heads 1 --d-model 8 --d-head 4 --d-inner 8 --memory-tokens 2 --length 4 --segment-length 4 --batch-size 2 --samples 4'.split(
    ' ',
  );
