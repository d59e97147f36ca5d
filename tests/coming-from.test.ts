/** The names of docs/coming-from.md: every expression of ours runs, with the imports that its section names. */
import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { categories } from '../src/autograd/operations/table.js';
import { exported } from './package/installed.js';

const test = suite('coming from');

type Names = Record<string, unknown>;

const page = readFileSync('docs/coming-from.md', 'utf8');
/** The built package, as a user imports it. */
const load = (name: string): Promise<Names> => import(name);
const known = [...exported().keys()].map((name) => name.replace('.', 'memgrad'));

/** What the expressions use without importing it; the page describes each. */
async function given(): Promise<Names> {
  const { tensor, arange, reshape, normal, ones, zeros, Key, Parameter, square, sum, relu } =
    (await load('memgrad')) as typeof import('memgrad');
  const { createModel, presets } = (await load(
    'memgrad/models',
  )) as typeof import('memgrad/models');
  const { Linear } = (await load('memgrad/nn')) as typeof import('memgrad/nn');
  const { Adam, save } = (await load('memgrad/training')) as typeof import('memgrad/training');
  const key = Key.of(1);
  const x = tensor([
    [1, 2, 3],
    [4, 5, 6],
  ]);
  const sizes = { nToken: 4, nLayer: 1, nHead: 1, dModel: 4, dHead: 4, dInner: 4 };
  const model = createModel('rmt', { ...presets.fast, ...sizes, numMemTokens: 1, memLen: 1 });
  return {
    x,
    y: normal(key, [2, 3]),
    a: x,
    b: normal(key, [3, 2]),
    i: arange(2),
    w: new Parameter(x),
    key,
    f: relu,
    loss: (v = x) => sum(square(v)),
    image: normal(key, [1, 2, 4, 4]),
    kernel: normal(key, [3, 2, 3, 3]),
    line: normal(key, [1, 2, 8]),
    taps: normal(key, [3, 2, 3]),
    scale: ones([3]),
    shift: zeros([3]),
    scale2: ones([2]),
    shift2: zeros([2]),
    q: reshape(normal(key, [32]), [1, 4, 8]),
    logits: x,
    labels: arange(2),
    layer: new Linear(3, 4),
    optimizer: new Adam(),
    model,
    bytes: await save(model),
  };
}

/** The sections with a table: the modules that each imports from, and its expressions of ours. */
const sections = page
  .split('\n### ')
  .slice(1)
  .map((text) => {
    const [title] = text.split('\n');
    const rows = text.split('\n').filter((line) => line.startsWith('|'));
    const column = cells(rows[0]).indexOf('memgrad');
    const before = text.slice(0, text.indexOf('\n|'));
    return {
      title,
      modules: spans(before).filter((name) => known.includes(name)),
      expressions: rows.slice(2).flatMap((row) => spans(cells(row)[column])),
    };
  });

function cells(row: string): string[] {
  return row
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim());
}

function spans(text: string): string[] {
  return [...text.matchAll(/`([^`]+)`/g)].map(([, code]) => code);
}

for (const { title, modules, expressions } of sections) {
  test(title, async () => {
    assert.ok(modules.length > 0 && expressions.length > 2, 'a module and expressions');
    const scope: Names = Object.assign(
      {},
      ...(await Promise.all(modules.map(load))),
      await given(),
    );
    const names = Object.keys(scope);
    for (const code of expressions) {
      const value = new Function(...names, `'use strict'; return (async () => (${code}))();`);
      const problem = await value(...Object.values(scope)).then(
        // Only methods that change something return nothing.
        (result: unknown) =>
          result === undefined &&
          !/\.(assign|dispose|step)\(|^setDefault/.test(code) &&
          'undefined',
        (error: unknown) => error,
      );
      assert.not(problem, `${code}: ${problem}`);
    }
  });
}

test('the page names every operation', () => {
  const text = sections.flatMap(({ expressions }) => expressions).join(' ');
  const internal = ['adamStep']; // the optimisers call it
  const missing = Object.keys(categories).filter(
    (name) => !internal.includes(name) && !new RegExp(`\\b${name}\\b`).test(text),
  );
  assert.equal(missing, []);
});

test.run();
