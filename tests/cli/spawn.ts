/** The command line as a user calls it. */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
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
  return run([resolve('dist/cli/main.js'), ...args], watch);
}

/** Starts the command line that was built into `main`. */
export function startFrom(main: string, args: readonly string[]): Promise<Ended> {
  return run([main, ...args]);
}

function run(
  args: readonly string[],
  watch?: (stdout: string, child: ReturnType<typeof spawn>) => void,
): Promise<Ended> {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
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

/**
 * Calls `memgrad ...args` for each of `calls`, one after another in one process: the program that
 * main.js imports runs each time that it is imported by another name.
 */
export async function together(calls: readonly (readonly string[])[]): Promise<Ended[]> {
  const main = resolve('dist/cli/main.js');
  const [, program] = /import\("([^"]+)"\)/.exec(await readFile(main, 'utf8')) ?? [];
  const source = `
    const calls = ${JSON.stringify(calls)};
    const url = ${JSON.stringify(new URL(program, pathToFileURL(main)).href)};
    const { stdout, stderr } = process;
    const write = stdout.write.bind(stdout);
    const ended = [];
    for (const stream of [stdout, stderr]) stream.setMaxListeners(0); // each call listens
    process.execArgv = []; // by these Commander sees --eval, and counts arguments otherwise
    for (const [i, args] of calls.entries()) {
      const printed = { stdout: '', stderr: '' };
      stdout.write = (text) => (printed.stdout += text, true);
      stderr.write = (text) => (printed.stderr += text, true);
      process.argv = [process.execPath, 'memgrad', ...args];
      process.exitCode = undefined;
      await import(url + '?' + i);
      ended.push({ code: process.exitCode ?? 0, ...printed });
    }
    process.exitCode = 0;
    write(JSON.stringify(ended));
  `;
  const child = await run(['--input-type=module', '--eval', source]);
  assert.is(child.code, 0, child.stderr);
  return JSON.parse(child.stdout);
}

/** Expects exit code 2, nothing on standard output and one line on standard error; gives that line. */
export function refused({ code, stdout, stderr }: Ended): string {
  assert.is(code, 2, stderr);
  assert.is(stdout, '');
  assert.match(stderr, /^error: [^\n]+\n$/, 'one line, so no stack');
  return stderr;
}

/** Makes calls in one process, each of which must be refused with its message. */
export async function refusedTogether(
  calls: readonly (readonly [args: readonly string[], message: RegExp])[],
): Promise<void> {
  const all = await together(calls.map(([args]) => args));
  assert.is(all.length, calls.length);
  for (const [i, [args, message]] of calls.entries()) {
    assert.match(refused(all[i]), message, args.join(' '));
  }
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
