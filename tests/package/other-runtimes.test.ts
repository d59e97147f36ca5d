/** The package in Deno and in Bun: it prints there what it prints in Node, to the bit. */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { inPage } from '../blocks.js';
import { install, run } from './installed.js';

const test = suite('other runtimes');

/** Their versions, and the hash of each package. */
const wanted = 'tests/package/runtimes';
/** Where they are installed: 200 MB, too much for every `npm ci` of memgrad. */
const kept = 'build/runtimes';

interface Runtime {
  readonly name: string;
  /** The package of this machine's program is one of this scope. */
  readonly scope: string;
  /** The program in that package. */
  readonly program: string;
  /** Arguments before a file: those for a library, which may do no more than it must, and those for the command. */
  readonly library: readonly string[];
  readonly command: readonly string[];
}

const runtimes: readonly Runtime[] = [
  {
    name: 'Deno',
    scope: '@deno',
    program: 'deno',
    library: ['run', '--no-prompt', '--allow-read', '--allow-write', '--allow-sys'],
    command: ['run', '--no-prompt', '--allow-all'],
  },
  { name: 'Bun', scope: '@oven', program: 'bin/bun', library: [], command: [] },
];

/**
 * Installs the runtimes from the npm registry, unless they are there. No script runs: the programs
 * are files of their packages. Returns why the registry can't be reached, if it can't.
 */
function installRuntimes(): string | undefined {
  const lock = 'package-lock.json';
  const read = (file: string) => (existsSync(file) ? readFileSync(file, 'utf8') : undefined);
  const installed = existsSync(join(kept, 'node_modules', '.package-lock.json'));
  if (installed && read(join(kept, lock)) === read(join(wanted, lock))) return undefined;
  mkdirSync(kept, { recursive: true });
  for (const file of ['package.json', lock]) copyFileSync(join(wanted, file), join(kept, file));
  try {
    run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], kept);
    return undefined;
  } catch (error) {
    const codes = /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ENETUNREACH|ETIMEDOUT|ENOTCACHED/;
    const [code] = codes.exec(String(error)) ?? [];
    if (code === undefined) throw error;
    return `the npm registry can't be reached (${code})`;
  }
}

/** The program of a runtime, if npm has one for this machine. */
function programOf({ scope, program }: Runtime): string | undefined {
  const folder = resolve(kept, 'node_modules', scope);
  if (!existsSync(folder)) return undefined;
  return readdirSync(folder)
    .flatMap((name) => ['', '.exe'].map((ending) => join(folder, name, program + ending)))
    .find((file) => existsSync(file));
}

/** An empty folder beside the installed package. */
function emptyFolder(name: string): string {
  const folder = join(install().folder, `runtime-${name}`);
  mkdirSync(folder);
  return folder;
}

/** What each kind of program prints. `library` and `command` are a runtime and its arguments. */
function outputs(name: string, library: readonly string[], command: readonly string[]) {
  const folder = emptyFolder(name);
  const call = ([file, ...args]: readonly string[], ...rest: string[]) =>
    run(file, [...args, ...rest], folder);

  copyFileSync(join(wanted, 'program.mjs'), join(folder, 'program.mjs'));
  const readme = inPage('README.md').map((code, i) => {
    writeFileSync(join(folder, `readme-${i}.mjs`), code);
    return call(library, `readme-${i}.mjs`);
  });
  const cli = join(install().folder, 'node_modules/memgrad/dist/cli/main.js');
  const few = ['--samples', '4', '--steps'];
  call(command, cli, 'train', '--length', '4', '--out', 'run', ...few, '3');
  call(command, cli, 'train', '--resume', 'run', ...few, '5');
  const metrics = readFileSync(join(folder, 'run', 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n');
  return {
    readme,
    program: call(library, 'program.mjs', '.').trim().split('\n'),
    losses: metrics.map((line) => (JSON.parse(line) as { loss: number }).loss),
  };
}

let inNode: ReturnType<typeof outputs>;

test.before(() => {
  inNode = outputs('node', [process.execPath], [process.execPath]);
});

test('Node: the losses are the recorded ones, also with threads and from a file', () => {
  assert.equal(
    inNode.program,
    readFileSync(join(wanted, 'printed.txt'), 'utf8').trim().split('\n'),
  );
  assert.is(inNode.losses.length, 5);
});

const unreachable = installRuntimes();
for (const runtime of runtimes) {
  const { name, library, command } = runtime;
  const program = programOf(runtime);
  if (program === undefined) {
    const why = unreachable ?? `npm has no ${name} for this machine`;
    console.log(`skipped: ${name}, since ${why}`);
    test.skip(name);
    continue;
  }
  test(`${name}: the examples of the README, a training, threads, files, the command`, () => {
    assert.equal(outputs(name, [program, ...library], [program, ...command]), inNode);
  });
}

test.run();
