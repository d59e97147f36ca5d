/**
 * A task, a model and an optimiser that memgrad lacks, each added as CONTRIBUTING.md says: a file,
 * and lines in the index beside it. The command line offers, trains, saves and resumes them.
 */
import { mkdir, readFile, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build, type Plugin } from 'esbuild';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { RunConfig } from '../../src/runs/index.js';
import { events, inFolder, refused, startFrom, tiny } from './spawn.js';

const test = suite('additions');

/** What is added: the new file, the index beside it, and the lines of the index. */
const additions = [
  {
    file: 'src/tasks/echo.ts',
    text: `
      import type { Key } from '../autograd/index.js';
      import { whole } from '../options.js';
      import { type TaskOptions, withDefaults } from './options.js';
      import { answerBatch, type Batch, checkDraw, type Split, type Task } from './task.js';

      export interface EchoOptions {
        length?: number;
        echoes?: number;
      }

      function options(): TaskOptions<EchoOptions> {
        return {
          length: { kind: whole(1, 50), default: 5, help: 'tokens to hear' },
          echoes: { kind: whole(1, 9), default: 2, help: 'how often the last one comes back' },
        };
      }

      export class Echo implements Task {
        static readonly summary = 'hear tokens, then say the last one again';
        static readonly options = options;
        readonly name = 'echo';
        readonly metric = 'tokens';
        readonly vocabulary = 7;
        readonly chance = 1 / 7;
        readonly length: number;
        readonly #echoes: number;

        constructor(given: EchoOptions = {}) {
          const { length, echoes } = withDefaults('echo', given, options());
          this.length = length;
          this.#echoes = echoes;
        }

        batch(key: Key, size: number, split: Split): Batch {
          checkDraw(this.name, key, split);
          return answerBatch(size, (row) => {
            const prompt = key.fold(row).integers(this.length, 7);
            return { prompt, answer: Array(this.#echoes).fill(prompt[this.length - 1]) };
          });
        }

        withLength(length: number): Echo {
          return new Echo({ length, echoes: this.#echoes });
        }

        show(tokens: ArrayLike<number>): string {
          return Array.from(tokens).join('');
        }
      }`,
    index: 'src/tasks/index.ts',
    before: '} satisfies Record<string, TaskClass>',
    entry: 'echo: Echo,',
    imported: "import { Echo } from './echo.js';",
  },
  {
    file: 'src/models/remembering.ts',
    text: `
      import { RMT } from './rmt.js';

      export class Remembering extends RMT {
        static override readonly isCapturable = true;
      }`,
    index: 'src/models/index.ts',
    before: '} satisfies Record<string, ModelClass>',
    entry: 'remembering: Remembering,',
    imported: "import { Remembering } from './remembering.js';",
  },
  {
    file: 'src/training/optimizers/slow.ts',
    text: `
      import { SGD, type SGDOptions } from './sgd.js';

      export class Slow extends SGD {
        constructor({ learningRate = 1e-5, ...others }: SGDOptions = {}) {
          super({ learningRate, ...others });
        }
      }`,
    index: 'src/training/optimizers/index.ts',
    before: '};\n\n/** The name of an optimiser. */',
    entry: 'slow: Slow,',
    imported: "import { Slow } from './slow.js';",
  },
];

/** Gives esbuild the added files, and each index with its lines. */
const added: Plugin = {
  name: 'additions',
  setup(api) {
    for (const { file, text, index, before, entry, imported } of additions) {
      const path = resolve(file);
      const loader = 'ts' as const;
      const resolveDir = dirname(path);
      const name = basename(file, '.ts');
      api.onResolve({ filter: new RegExp(`/${name}\\.js$`) }, () => ({ path }));
      const exactly = (path: string) => new RegExp(`${path.replaceAll('.', '\\.')}$`);
      api.onLoad({ filter: exactly(file) }, () => ({ contents: text, loader, resolveDir }));
      api.onLoad({ filter: exactly(index) }, async ({ path }) => {
        const source = await readFile(path, 'utf8');
        assert.is(source.split(before).length, 2, `${index} has one table`);
        const contents = `${imported}\n${source.replace(before, `${entry}\n${before}`)}`;
        return { contents, loader };
      });
    }
  },
};

const folder = resolve('build/additions');
const script = (name: string) => pathToFileURL(resolve('scripts', name)).href;

test.before(async () => {
  await mkdir(folder, { recursive: true });
  const { wasmKernels }: { wasmKernels: Plugin } = await import(script('kernels.mjs'));
  const { texts }: { texts: Plugin } = await import(script('texts.mjs'));
  await build({
    entryPoints: ['src/cli/main.ts'],
    outfile: join(folder, 'main.mjs'),
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'es2022',
    external: ['commander', 'gpu.js'],
    plugins: [added, wasmKernels, texts],
    logLevel: 'warning',
  });
});
test.after(() => rm(folder, { recursive: true }));

const memgrad = (args: readonly string[]) => startFrom(join(folder, 'main.mjs'), args);

test('the help has them, their options and the defaults', async () => {
  const { stdout } = await memgrad(['train', '--help']);
  const help = stdout.replace(/\s+/g, ' ');
  assert.match(help, '"memorize", "echo", default: "copy"');
  assert.match(help, /--length <n> copy, .* \(default: 64\); echo: tokens to hear \(default: 5\)/);
  assert.match(help, '--echoes <n> echo: how often the last one comes back (default: 2)');
  assert.match(help, '"transformer-xl-rmt", "remembering", default: "rmt"');
  assert.match(help, '--optimizer <name> * update rule of the weights (choices: "sgd"');
  assert.match(help, '--momentum <x> sgd, rmsprop, muon, slow: decay of earlier gradients');
  const { stdout: tasks } = await memgrad(['tasks']);
  assert.match(tasks, 'echo: hear tokens, then say the last one again');
});

test('they are trained, saved, resumed and evaluated', () =>
  inFolder(async (parent) => {
    const out = join(parent, 'run');
    const chosen = '--task echo --echoes 3 --model remembering --optimizer slow --cache 9';
    const args = [...tiny, ...chosen.split(' '), '--steps', '2', '--json', '--out', out];
    const { code, stdout, stderr } = await memgrad(['train', ...args]);
    assert.is(code, 0, stderr);
    const [start, note] = events(stdout);
    const { model, task, training } = start.config as RunConfig;
    assert.equal([model.name, task.name], ['remembering', 'echo']);
    assert.equal(task.options, { length: 4, echoes: 3 });
    assert.is(model.config.nToken, 7);
    assert.is(training.optimizer.learningRate, 1e-5);
    const cached = 'transformer-xl, transformer-xl-rmt';
    assert.equal(note, { event: 'note', note: `--cache has no effect here; it is for ${cached}.` });
    const more = await memgrad(['train', '--resume', out, '--steps', '4', '--json']);
    assert.is(more.code, 0, more.stderr);
    assert.equal(
      events(more.stdout).flatMap(({ event, step }) => (event === 'step' ? [step] : [])),
      [3, 4],
    );
    const shown = await memgrad(['eval', out, '--samples', '2', '--json']);
    assert.is(events(shown.stdout)[0].event, 'evaluation', shown.stderr);
    const wrong = await memgrad(['train', '--task', 'echo', '--echoes', '10']);
    assert.match(refused(wrong), /--echoes.*'10'.*a whole number from 1 to 9/);
    const other = await memgrad(['train', '--task', 'echo', '--copies', '2']);
    assert.match(refused(other), /--copies is for copy, but the task is echo/);
  }));

test.run();
