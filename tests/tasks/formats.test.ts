/** Reverse, associative retrieval and quadratic equations: the published formats, token by token. */
import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Key } from '../../src/autograd/index.js';
import {
  type Batch,
  IGNORED,
  Quadratic,
  Retrieval,
  Reverse,
  type Task,
} from '../../src/tasks/index.js';
import { solution } from '../../src/tasks/quadratic.js';
import { readGolden } from '../models/golden.js';

interface Published {
  src: number[][];
  tgt: number[][];
  answer_size: number;
}
const golden = readGolden<{
  reverse: Published;
  retrieval: Published;
  quadratic: Published & { text: { problem: string; steps: string; answer: string }[] };
}>('tasks_samples');

/** What the published code would hold for each row: source and target, the target only where it counts. */
function rows({ size, time, inputs, targets }: Batch) {
  return Array.from({ length: size }, (_, row) => ({
    src: [...inputs.subarray(row * time, (row + 1) * time)],
    tgt: [...targets.subarray(row * time, (row + 1) * time)],
  }));
}

/** A published sample as we would give it. */
function published({ src, tgt, answer_size }: Published, row: number) {
  const first = tgt[row].length - answer_size;
  return { src: src[row], tgt: tgt[row].map((token, at) => (at < first ? IGNORED : token)) };
}

test('reverse: published samples follow from their source symbols by the rule of our batches', () => {
  const rule = (source: number[]) => {
    const reversed = [...source].reverse();
    return {
      src: [...source, 1, ...reversed.slice(0, -1)],
      tgt: [...Array(source.length).fill(IGNORED), ...reversed],
    };
  };
  for (const row of golden.reverse.src.keys()) {
    assert.equal(published(golden.reverse, row), rule(golden.reverse.src[row].slice(0, 24)));
  }
  const batch = new Reverse().batch(Key.of(1), 5, 'train');
  assert.is(batch.promptLength, 25);
  for (const row of rows(batch)) assert.equal(row, rule(row.src.slice(0, 24)));
});

test('retrieval: published samples follow from their pairs by the rule of our batches', () => {
  const checked = ({ src, tgt }: { src: number[]; tgt: number[] }) => {
    const pairs = (src.length - 2) / 2;
    const [query, separator] = src.slice(-2);
    const keys = src.slice(0, 2 * pairs).filter((_, at) => at % 2 === 0);
    const values = src.slice(0, 2 * pairs).filter((_, at) => at % 2 === 1);
    assert.is(separator, 10);
    assert.ok(keys.every((key) => key >= 11 && key <= 36));
    assert.ok(values.every((value) => value >= 0 && value <= 9));
    assert.is(new Set(keys).size, pairs);
    assert.is(new Set(values).size, Math.min(pairs, new Set(values).size));
    const right = values[keys.indexOf(query)];
    assert.equal(tgt, [...Array(src.length - 1).fill(IGNORED), right]);
    return new Set(values).size;
  };
  for (const row of golden.retrieval.src.keys()) {
    assert.is(checked(published(golden.retrieval, row)), 4);
  }
  const batch = new Retrieval().batch(Key.of(2), 50, 'train');
  assert.is(batch.time, 10);
  assert.is(batch.promptLength, 10);
  for (const row of rows(batch)) assert.is(checked(row), 4);
  for (const pairs of [1, 10, 26]) {
    for (const row of rows(new Retrieval({ pairs }).batch(Key.of(3), 20, 'test'))) checked(row);
  }
});

test('retrieval: training asks for all pairs of a list in turn, and no list is in both splits', () => {
  const lists = (split: 'train' | 'test') =>
    rows(new Retrieval({ pairs: 3 }).batch(Key.of(5), 300, split)).map(({ src }) => src);
  const trained = lists('train');
  for (let first = 0; first < 300; first += 3) {
    const same = trained.slice(first, first + 3);
    assert.is(new Set(same.map((src) => src.slice(0, 6).join())).size, 1);
    assert.equal(
      same.map((src) => src[6]),
      [0, 2, 4].map((at) => same[0][at]),
    );
  }
  const seen = new Set(trained.map((src) => src.slice(0, 6).join()));
  assert.is(seen.size, 100);
  for (const src of lists('test')) assert.not.ok(seen.has(src.slice(0, 6).join()));

  // As the paper's batches are: a list of its own to each sample, at other lengths too.
  const apart = new Retrieval({ pairs: 26, queries: 'one' }).withLength(3);
  const single = rows(apart.batch(Key.of(5), 300, 'train')).map(({ src }) => src);
  assert.is(new Set(single.map((src) => src.slice(0, 6).join())).size, 300);
  assert.throws(
    () => new Retrieval({ queries: 'some' as 'all' }),
    /queries must be one of all, one, got "some"/,
  );
});

test('retrieval: every pair is asked for, and every value is the answer, equally often', () => {
  for (const split of ['train', 'test'] as const) {
    const batch = new Retrieval().batch(Key.of(4), 4000, split);
    const asked = [0, 0, 0, 0];
    const answers = Array(10).fill(0);
    for (const { src, tgt } of rows(batch)) {
      asked[src.indexOf(src[8]) / 2]++;
      answers[tgt[9]]++;
    }
    for (const count of asked) assert.ok(Math.abs(count / 4000 - 1 / 4) < 0.03, String(asked));
    for (const count of answers) assert.ok(Math.abs(count / 4000 - 1 / 10) < 0.02, String(answers));
  }
});

/** The coefficients of a published problem, read from its text. */
function parsed({ problem, steps, answer }: { problem: string; steps: string; answer: string }) {
  const coefficient = (polynomial: string, power: string) => {
    const found = new RegExp(`([+-]?)(\\d+\\*)?${power}`).exec(polynomial);
    return Number(`${found?.[1] ?? ''}${found?.[2]?.slice(0, -1) ?? '1'}`);
  };
  const canonical = steps.split(';')[0];
  const roots = answer === '' ? undefined : answer.split(',').map(Number);
  return {
    a: coefficient(problem, 'x\\^2'),
    b: coefficient(canonical, 'x(?!\\^)'),
    c: Number(/([+-]\d+)=0/.exec(canonical)?.[1]),
    roots: roots as [number, number] | undefined,
  };
}

test('quadratic: our solutions of the published problems are the published ones', () => {
  const { text, src, tgt, answer_size } = golden.quadratic;
  assert.ok(text.some(({ answer }) => answer === '') && text.some(({ answer }) => answer !== ''));
  for (const [row, sample] of text.entries()) {
    const tokens = [...solution(parsed(sample))];
    assert.equal(tokens, src[row]);
    assert.equal([...tokens.slice(1), 0], tgt[row]);
  }
  const batch = new Quadratic().batch(Key.of(5), 20, 'train');
  assert.is(batch.promptLength, 30);
  assert.is(batch.answerStart, 149);
  for (const { src, tgt } of rows(batch)) {
    assert.is(src.length, 180);
    // One more than the published code counts: the first token of the solution.
    assert.equal(tgt.slice(0, 29), Array(29).fill(IGNORED));
    assert.is(tgt.filter((token) => token !== IGNORED).length, answer_size + 1);
    assert.equal([...src.slice(30), 0], tgt.slice(29));
  }
});

test('quadratic: what no published sample shows', () => {
  const task = new Quadratic();
  const shown = (...args: Parameters<typeof solution>) => task.show(solution(...args));
  assert.is(
    shown({ a: -1, b: 0, c: -25, roots: [-5, 5] }),
    '-x^2+25=0 x^2-25=0 D=0^2-4*1*-25=100=10^2 x=(0-10)/2=-5 x=(0+10)/2=5 -5,5',
  );
  assert.is(
    shown({ a: 2, b: -6, c: 9, roots: [3, 3] }),
    '2*x^2-12*x+18=0 x^2-6*x+9=0 D=6^2-4*1*9=0=0^2 x=(6-0)/2=3 x=(6+0)/2=3 3,3',
  );
  assert.is(shown({ a: 3, b: 0, c: 1 }), '3*x^2+3=0 x^2+1=0 D=0^2-4*1*1=-4');
});

test('quadratic: every equation is right, in range and fits its blocks', () => {
  const seen = { none: 0, factor: new Map<number, number>() };
  for (const range of [2, 9, 100]) {
    const task = new Quadratic({ range });
    for (const { src: tokens } of rows(task.batch(Key.of(6), 1000, 'train'))) {
      const blocks = Array.from({ length: 6 }, (_, i) =>
        task.show(tokens.slice(30 * i, 30 * (i + 1))),
      );
      const [problem, canonical, discriminant, , , answer] = blocks;
      const equation = parsed({ problem, steps: canonical.padEnd(1), answer });
      const { a } = equation;
      assert.ok(Number.isInteger(a) && Math.abs(a) >= 1 && Math.abs(a) <= 10, problem);
      if (answer === '') {
        assert.match(discriminant, /=-\d+$/);
        if (range === 100) seen.none++;
      } else {
        for (const root of answer.split(',').map(Number)) {
          assert.ok(Math.abs(root) <= range, answer);
          assert.is(evaluated(canonical, root), 0, canonical);
          assert.is(evaluated(problem, root), 0, problem);
        }
        assert.match(discriminant, /\^2$/);
      }
      if (range === 100) seen.factor.set(Math.abs(a), (seen.factor.get(Math.abs(a)) ?? 0) + 1);
    }
  }
  assert.ok(Math.abs(seen.none / 1000 - 0.2) < 0.04, String(seen.none));
  const [one, five] = [1, 5].map((factor) => seen.factor.get(factor) ?? 0);
  assert.ok(one < five * 0.8, `±1 came ${one} times, ±5 ${five} times`);
});

/** The value of the left side of `text`, an equation in x. */
function evaluated(text: string, x: number): number {
  return text
    .replace('=0', '')
    .replace(/-/g, '+-')
    .split('+')
    .filter((term) => term !== '')
    .map((term) => {
      const [, sign, factor, power] = /^(-?)(?:(\d+)\*?)?(x\^2|x|)$/.exec(term) ?? [];
      return (sign ? -1 : 1) * Number(factor ?? 1) * x ** ['', 'x', 'x^2'].indexOf(power);
    })
    .reduce((sum, term) => sum + term, 0);
}

test('no test prompt is ever a training prompt, and batches follow from the key', () => {
  const tasks: Task[] = [new Reverse({ length: 6 }), new Retrieval(), new Quadratic({ range: 9 })];
  for (const task of tasks) {
    const prompts = (split: 'train' | 'test', seed: number) => {
      const batch = task.batch(Key.of(seed), 200, split);
      return rows(batch).map(({ src }) => src.slice(0, batch.promptLength).join());
    };
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const test = new Set(prompts('test', seed));
        assert.not.ok(prompts('train', seed).some((prompt) => test.has(prompt)));
        assert.equal(prompts('train', seed), prompts('train', seed));
      }),
      { seed: 7, numRuns: 3 },
    );
  }
});

test('options that cannot be', () => {
  const bad: [() => unknown, RegExp][] = [
    [
      () => new Reverse({ length: 0 }),
      /reverse: length must be a whole number from 1 to 1048576, got 0/,
    ],
    [() => new Reverse({ symbols: 1 }), /reverse: symbols must be a whole number >= 2, got 1/],
    [() => new Reverse().batch(Key.of(0), 0, 'test'), /batch: size must be .* >= 1, got 0/],
    [() => new Retrieval({ pairs: 27 }), /pairs must be a whole number from 1 to 26, got 27/],
    [() => new Quadratic({ range: 1.5 }), /range must be a whole number from 2 to 100, got 1.5/],
  ];
  for (const [make, message] of bad) assert.throws(make, message);
});

test.run();
