/**
 * Every example of the README, of docs/ and of the docstrings, run as it would be pasted: as a
 * module that imports the built package. What stands behind `// =>` is a line that it prints. A block
 * that names a source file is an excerpt of it.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { inPage } from './blocks.js';

const test = suite('documentation');

/** The blocks of a page that are said to stand in a source file, and which one. */
function excerpts(page: string): { file: string; code: string }[] {
  const found = readFileSync(page, 'utf8').matchAll(/```ts (src\/\S+)\n(.*?)```/gs);
  return [...found].map(([, file, code]) => ({ file, code }));
}

/** The blocks after an `@example`, without the stars. */
function inDocstrings(file: string): string[] {
  const comments = readFileSync(file, 'utf8').match(/\/\*\*.*?\*\//gs) ?? [];
  return comments
    .flatMap((comment) => comment.split('@example').slice(1))
    .map((example) => {
      const [, code] = /```(?:js|ts)\n(.*?)```/s.exec(example.replace(/^ *\* ?/gm, '')) ?? [];
      if (code === undefined) throw new Error(`${file}: an @example without a block of code`);
      return code;
    });
}

/** What an example printed, and its error if it failed. */
interface Ended {
  stdout: string;
  stderr: string;
  error?: string;
}

/** Writes an example into a folder that is empty but for it. */
function write(name: string, code: string): string {
  const folder = `build/examples/${name.replace(/\W/g, '-')}`;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${folder}/example.mjs`, code);
  return folder;
}

/** Runs an example in a process of its own. */
function run(name: string, code: string): Ended {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['example.mjs'], {
    cwd: write(name, code),
    encoding: 'utf8',
    timeout: 60_000,
  });
  return { stdout, stderr, error: status === 0 ? undefined : stderr || `exit code ${status}` };
}

/** Runs examples in one process; returns its exit code and how each ended, by name. */
async function runTogether(
  examples: readonly (readonly [name: string, code: string])[],
): Promise<{ code: number | null; ended: Map<string, Ended> }> {
  const names = new Map(examples.map(([name, code]) => [write(name, code), name]));
  const child = spawn(process.execPath, ['tests/run-examples.mjs', ...names.keys()], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    timeout: 240_000,
    killSignal: 'SIGKILL',
  });
  const ended = new Map<string, Ended>();
  child.on('message', ({ folder, ...result }: Ended & { folder: string }) => {
    ended.set(names.get(folder) ?? folder, result);
  });
  const [code] = await once(child, 'close');
  return { code, ended };
}

const pages = ['README.md', 'CONTRIBUTING.md', ...filesBelow('docs', '.md')];
const examples = [
  ...pages.map((file) => [file, inPage(file)] as const),
  ...filesBelow('src', '.ts').map((file) => [file, inDocstrings(file)] as const),
].flatMap(([file, found]) => found.map((code, i) => [`${file}, example ${i + 1}`, code] as const));

function filesBelow(folder: string, ending: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(ending))
    .map((name) => `${folder}/${name.replaceAll('\\', '/')}`)
    .sort();
}

/** Whether an example changes or measures what exists once in a process. */
const isAlone = (code: string) =>
  /\bprocess\.(?!stdout\.write)|globalThis|memoryReport|setDefaultBackend|memgrad\/(methods|backends)/.test(
    code,
  );

/** Those of the README run alone and print, as their last line, how many buffers they leave behind. */
const counted = `
import { memoryReport as left } from 'memgrad';
console.log('\\n' + left().buffers);`;
const isCounted = (name: string) => name.startsWith('README.md');

const others = examples.filter(([name, code]) => !isCounted(name) && !isAlone(code));
let together: Awaited<ReturnType<typeof runTogether>>;
test.before(async () => {
  together = await runTogether(others);
});

for (const example of examples) {
  const [name, code] = example;
  test(name, () => {
    const ended = others.includes(example)
      ? together.ended.get(name)
      : run(name, isCounted(name) ? code + counted : code);
    assert.ok(ended, 'the process that ran it ended before, or within it');
    assert.is(ended.error, undefined, ended.error);
    if (isCounted(name)) assert.is(ended.stderr, '');
    const printed = ended.stdout.trim().split('\n');
    if (isCounted(name)) assert.is(printed.pop(), '0', 'buffers that it leaves behind');
    assert.ok(printed.some(Boolean), 'an example shows something');
    const promised = [...code.matchAll(/\/\/ => (.*)$/gm)].map(([, line]) => line.trim());
    let from = 0;
    for (const line of promised) {
      const at = printed.indexOf(line, from);
      assert.ok(at >= 0, `expected the line\n${line}\nin what it printed:\n${printed.join('\n')}`);
      from = at + 1;
    }
  });
}

test('examples leave nothing running', () => {
  assert.is(together.code, 0);
  assert.is(together.ended.size, others.length);
  assert.ok(examples.filter(([name]) => isCounted(name)).length >= 3);
});

const { files } = JSON.parse(readFileSync('package.json', 'utf8')) as { files: string[] };

/** Whether the package has the file or folder. */
function shipped(path: string): boolean {
  const always = ['package.json', 'README.md', 'LICENSE'];
  return [...always, ...files].some(
    (name) =>
      name.startsWith(`${path}/`) ||
      path.startsWith(`${name}/`) ||
      new RegExp(`^${name.replaceAll('.', '\\.').replace('*', '[^/]*')}$`).test(path),
  );
}

for (const page of [...pages, 'experiments/README.md', ...filesBelow('results', '.md')]) {
  test(`${page}: links within the repository lead somewhere`, () => {
    const links = [...readFileSync(page, 'utf8').matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)];
    const targets = links.map(([, link]) => join(dirname(page), link));
    assert.equal(
      targets.filter((to) => !existsSync(to) || (shipped(page) && !shipped(to))),
      [],
    );
  });
  for (const { file, code } of excerpts(page)) {
    const [first] = code.split('\n');
    test(`${page}: '${first}' stands in ${file}`, () => {
      assert.ok(readFileSync(file, 'utf8').includes(code), code);
    });
  }
}

test('docs/operations.md has every operation, as its docstring says', () => {
  const { status, stderr } = spawnSync(process.execPath, ['scripts/operations.mjs', '--check'], {
    encoding: 'utf8',
  });
  assert.is(status, 0, stderr);
});

test('examples are found where there are some', () => {
  for (const file of ['README.md', 'docs/models.md', 'src/autograd/transforms/grad.ts']) {
    assert.ok(
      examples.some(([name]) => name.startsWith(file)),
      file,
    );
  }
});

test.run();
