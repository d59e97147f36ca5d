/** The design as a test: imports run one way, and only the edges touch the machine. */
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';

/** What each folder of src may import, besides itself, `errors`, `options` and `next-task`. */
const allowed: Record<string, readonly string[]> = {
  errors: [],
  'next-task': [],
  options: [],
  backends: [],
  autograd: ['backends'],
  'default-backend': ['autograd', 'backends'],
  safetensors: [],
  nn: ['autograd', 'backends'],
  methods: ['autograd'],
  models: ['nn', 'safetensors', 'autograd', 'backends'],
  tasks: ['autograd'],
  training: ['safetensors', 'tasks', 'models', 'nn', 'autograd', 'backends'],
  runs: ['safetensors', 'training', 'tasks', 'models', 'nn', 'autograd', 'backends'],
  testing: ['autograd', 'backends'],
  explain: ['autograd', 'backends'],
  index: ['autograd', 'backends'],
  cli: [
    'explain',
    'testing',
    'runs',
    'safetensors',
    'training',
    'tasks',
    'models',
    'nn',
    'autograd',
    'backends',
  ],
};

/**
 * Within a folder: what each of its rooms may import of the folder. The engine stands in
 * src/autograd itself, and `index.ts` is the door.
 */
const rooms: Record<string, readonly string[]> = {
  'autograd/engine': [],
  'autograd/operations': ['autograd/engine', 'autograd/transforms'],
  'autograd/transforms': ['autograd/engine', 'autograd/operations'],
};

/** The part of `backends` that everything above may import: the contract, and no concrete backend. */
const contract = ['backend', 'layout', 'threefry'];

/** The one package that a folder may have besides, bundled. */
const bundled: Record<string, string> = { backends: 'ndarray', explain: 'acorn' };

/** What a file asks the host for when it is needed, and goes without where there is none. */
const askedFor: Record<string, readonly string[]> = {
  'backends/index.ts': ['gpu.js'],
  'backends/webgl/index.ts': ['gpu.js'],
  'backends/wasm/threads.ts': ['node:os', 'node:worker_threads'],
  'runs/memory.ts': ['node:os', 'node:v8'],
};

const filesIn = (folder: string) =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((file) =>
    file.replaceAll('\\', '/'),
  );

const files = filesIn('src').filter((file) => file.endsWith('.ts'));

/** `autograd/operations` for a file in that room, `autograd/engine` for one in none. */
function roomOf(file: string): string | undefined {
  const [folder, room, ...rest] = file.split('/');
  if (folder !== 'autograd' || ['index', 'by-name'].some((door) => room.startsWith(door))) {
    return undefined;
  }
  return rest.length > 0 ? `${folder}/${room}` : `${folder}/engine`;
}

for (const file of files) {
  const folder = file.split('/')[0].replace('.ts', '');
  const source = readFileSync(`src/${file}`, 'utf8').replace(/^ +\*.*$/gm, ''); // without examples
  // Static and dynamic imports, and what getBuiltinModule is asked for, under whatever name.
  const imports = source.matchAll(/(?:\bfrom|\bimport|\bimport\()\s*'([^'\n]+)'|'(node:[^'\n]+)'/g);
  const names = [...new Set([...imports].map(([, imported, builtin]) => imported ?? builtin))];
  const targets = names
    .filter((name) => name.startsWith('.'))
    .map((name) => new URL(name, `file:///src/${file}`).pathname.slice('/src/'.length));

  test(`${file} imports what its folder may`, () => {
    for (const target of targets) {
      const other = target.split('/')[0].replace('.js', '');
      const everywhere = [folder, 'errors', 'options', 'next-task', 'default-backend'];
      const fine = everywhere.includes(other) || allowed[folder]?.includes(other);
      assert.ok(fine, `src/${folder} must not import ${target}`);
    }
  });

  const room = roomOf(file);
  if (room) {
    test(`${file} imports what its room may`, () => {
      for (const target of targets) {
        const other = roomOf(target);
        if (target.startsWith('backends/')) {
          const fine = contract.some((part) => target === `backends/${part}.js`);
          assert.ok(fine, `${room} must not import the backend ${target}`);
        } else if (target.startsWith('autograd/')) {
          assert.ok(other !== undefined, `${room} must not import ${target}, the door`);
          assert.ok(other === room || rooms[room].includes(other), `${room} imports ${target}`);
        }
      }
    });
  }

  test(`${file} leaves the machine to the edges`, () => {
    const outside = names.filter((name) => !name.startsWith('.'));
    const edge = folder === 'cli' || file.startsWith('runs/node/');
    const own = [bundled[folder], ...(askedFor[file] ?? [])];
    assert.equal(
      outside.filter((name) => !edge && !own.includes(name)),
      [],
    );
  });
}

const { exports, devDependencies } = JSON.parse(readFileSync('package.json', 'utf8'));

/**
 * Folders beside src, and what their files may import besides themselves, packages and what users
 * of memgrad can.
 */
const outside: Record<string, RegExp | undefined> = {
  'playground/src': undefined,
  experiments: /^(memgrad\/cli|node:.+)$/,
};

for (const [folder, besides] of Object.entries(outside)) {
  for (const file of filesIn(folder).filter((name) => /\.tsx?$/.test(name))) {
    test(`${folder}/${file} imports what users of memgrad can`, () => {
      const source = readFileSync(`${folder}/${file}`, 'utf8');
      for (const [, name] of source.matchAll(/^(?:.*\bfrom|import) '([^']+)';$/gm)) {
        const target = new URL(name, `file:///inside/${file}`).pathname;
        const own = name.startsWith('.') && target.startsWith('/inside/');
        const exported =
          name.startsWith('memgrad') && Object.hasOwn(exports, name.replace('memgrad', '.'));
        assert.ok(own || exported || isLibrary(name) || besides?.test(name), name);
      }
    });
  }
}

function isLibrary(name: string): boolean {
  const [, packageName] = /^(@[^/]+\/[^/]+|[^/]+)/.exec(name) ?? [];
  return Object.hasOwn(devDependencies, packageName);
}

test.run();
