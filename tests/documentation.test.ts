/**
 * Every example of the README, of docs/ and of the docstrings, run as it would be pasted: as a
 * module that imports the built package. What stands behind `// =>` is a line that it prints. A block
 * that names a source file is an excerpt of it.
 */
import { spawnSync } from 'node:child_process';
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

/** What a module prints, line by line, in a folder that is empty but for it. */
function run(code: string, name: string): string[] {
  const folder = `build/examples/${name.replace(/\W/g, '-')}`;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${folder}/example.mjs`, code);
  const { status, stdout, stderr } = spawnSync(process.execPath, ['example.mjs'], {
    cwd: folder,
    encoding: 'utf8',
    timeout: 60_000,
  });
  assert.is(status, 0, stderr);
  return stdout.trim().split('\n');
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

for (const [name, code] of examples) {
  test(name, () => {
    const printed = run(code, name);
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
