/** The design as a test: imports run one way, and only the edges touch the machine. */
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';

/** What each folder of src may import, besides itself, `errors` and `options`. */
const allowed: Record<string, readonly string[]> = {
  errors: [],
  options: [],
  backends: [],
  autograd: ['backends'],
  safetensors: [],
  models: ['safetensors', 'autograd', 'backends'],
  tasks: ['autograd'],
  training: ['tasks', 'models', 'autograd', 'backends'],
  corpora: ['tasks', 'autograd'],
  runs: ['safetensors', 'training', 'tasks', 'models', 'autograd', 'backends'],
  parity: ['runs', 'safetensors', 'training', 'tasks', 'models', 'autograd', 'backends'],
  testing: ['autograd', 'backends'],
  explain: ['testing', 'autograd', 'backends'],
  index: ['autograd', 'backends'],
  cli: [
    'corpora',
    'explain',
    'parity',
    'testing',
    'runs',
    'safetensors',
    'training',
    'tasks',
    'models',
    'autograd',
    'backends',
  ],
};

/** The one package that a folder may have besides, bundled. */
const bundled: Record<string, string> = { backends: 'ndarray', explain: 'acorn' };

const files = readdirSync('src', { recursive: true, encoding: 'utf8' })
  .map((file) => file.replaceAll('\\', '/'))
  .filter((file) => file.endsWith('.ts'));

for (const file of files) {
  const folder = file.split('/')[0].replace('.ts', '');
  const source = readFileSync(`src/${file}`, 'utf8').replace(/^ +\*.*$/gm, ''); // without examples
  const imports = [...source.matchAll(/from '([^']+)'/g)].map(([, name]) => name);

  test(`${file} imports what its folder may`, () => {
    for (const name of imports.filter((name) => name.startsWith('.'))) {
      const target = new URL(name, `file:///src/${file}`).pathname.split('/')[2].replace('.js', '');
      const everywhere = [folder, 'errors', 'options'];
      const fine = everywhere.includes(target) || allowed[folder]?.includes(target);
      assert.ok(fine, `src/${folder} must not import ${name}`);
    }
  });

  test(`${file} leaves the machine to the edges`, () => {
    const outside = imports.filter((name) => !name.startsWith('.'));
    const edge = ['cli', 'corpora'].includes(folder) || file.startsWith('runs/node/');
    assert.equal(
      outside.filter((name) => !edge && bundled[folder] !== name),
      [],
    );
  });
}

const { exports, devDependencies } = JSON.parse(readFileSync('package.json', 'utf8'));
const page = readdirSync('playground/src').filter((file) => /\.tsx?$/.test(file));

for (const file of page) {
  test(`playground/src/${file} imports what users of memgrad can`, () => {
    const source = readFileSync(`playground/src/${file}`, 'utf8');
    for (const [, name] of source.matchAll(/from '([^']+)'/g)) {
      const own = /^\.\/[\w-]+\.js$/.test(name);
      const exported =
        name.startsWith('memgrad') && Object.hasOwn(exports, name.replace('memgrad', '.'));
      assert.ok(own || exported || isLibrary(name), name);
    }
  });
}

function isLibrary(name: string): boolean {
  const [, packageName] = /^(@[^/]+\/[^/]+|[^/]+)/.exec(name) ?? [];
  return Object.hasOwn(devDependencies, packageName);
}

test.run();
