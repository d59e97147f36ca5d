/** memgrad as those who use it have it: packed, and installed from the tarball. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

/** An installation of memgrad, in a folder of its own outside the source tree. */
export interface Installed {
  readonly folder: string;
  readonly tarball: string;
}

/** All test files of this folder run in one process, and install it once. */
let installed: Installed | undefined;

/** Packs memgrad as scripts/test.mjs has built it and installs it, the first time that it is asked for; the folder goes when the tests end. */
export function install(): Installed {
  if (installed) return installed;
  const folder = mkdtempSync(join(tmpdir(), 'memgrad-installed-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  run('npm', ['pack', '--ignore-scripts', '--pack-destination', folder], '.');
  const [name] = readdirSync(folder);
  writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }');
  // Offline: what is not in the tarball would have to come from somewhere else.
  run('npm', ['install', '--offline', '--no-save', `./${name}`], folder);
  installed = { folder, tarball: join(folder, name) };
  return installed;
}

/** The modules that memgrad exports: '.', './models' and so on, with the file of each. */
export function exported(): Map<string, string> {
  const { exports }: { exports: Record<string, { default?: string }> } = JSON.parse(
    readFileSync('package.json', 'utf8'),
  );
  return new Map(
    Object.entries(exports).flatMap(([name, { default: file }]) =>
      file?.endsWith('.js') ? [[name, file]] : [],
    ),
  );
}

/** A copy of an example beside the installed package. */
export function example(name: string): string {
  const folder = join(install().folder, name);
  cpSync(resolve('examples', name), folder, { recursive: true });
  return folder;
}

/** `run` of Node. */
export function node(args: readonly string[], folder: string): string {
  return run(process.execPath, args, folder);
}

/** Runs a program in a folder and returns what it printed. Throws when it fails. */
export function run(program: string, args: readonly string[], folder: string): string {
  const { status, error, stdout, stderr } = spawnSync(program, args, {
    cwd: folder,
    encoding: 'utf8',
    timeout: 120_000,
  });
  if (status === 0) return stdout;
  throw new Error(`${program} ${args.join(' ')}: ${error ?? `${stdout}\n${stderr}`}`);
}
