/** `memgrad report` as a user calls it, and the page that it writes. */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CurveCollector } from '../../src/cli/report/curves.js';
import { METRICS_FILE, MemoryStorage } from '../../src/runs/index.js';
import { eachMetrics, type Metrics } from '../../src/runs/metrics.js';
import { open } from '../browser/browser.js';
import { events, inFolder, memgrad, refused } from './spawn.js';

const test = suite('memgrad report');

const small = ['--steps', '4', '--length', '4', '--segment-length', '4', '--d-model', '8'];
const tiny = [...small, '--layers', '1', '--heads', '1', '--d-head', '8', '--samples', '1'];
const train = (folder: string, ...more: string[]) =>
  memgrad(['train', ...tiny, '--out', folder, ...more]);

const line = (step: number, more: Partial<Metrics> = {}): Metrics => ({
  step,
  loss: 2,
  accuracy: 0.5,
  gradientNorm: 1,
  segmentGradientNorms: [0, 0.1],
  layerGradientNorms: { embedding: 0.5 },
  learningRate: 1e-3,
  tokensPerSecond: 100,
  length: 4,
  segmentLength: 4,
  skipped: undefined,
  ...more,
});

test('writes one page with the curves, samples and configurations of all runs', async () => {
  await inFolder(async (folder) => {
    const [first, second] = [
      join(folder, 'first'),
      join(folder, 'a <script>alert(1)</script> run'),
    ];
    for (const ended of [await train(first), await train(second, '--seed', '1')]) {
      assert.is(ended.code, 0, ended.stderr);
    }
    const out = join(folder, 'pages', 'of runs', 'page.html'); // a folder that isn't there
    const ended = await memgrad(['report', first, second, '--out', out, '--samples', '2']);
    assert.is(ended.code, 0, ended.stderr);
    assert.match(ended.stdout, 'page.html: 2 runs. Open it in a browser.');
    const page = await readFile(out, 'utf8');
    assert.not.match(page, /<script>alert/);
    assert.not.match(page, /(?:src|href)="(?!data:)/, 'it loads nothing');

    // The likeliest tokens, as `sample` draws them.
    const { stdout } = await memgrad(['sample', first, '--samples', '2', '--json']);
    const [, json] = /id="data">(.*?)<\/script>/s.exec(page) ?? [];
    const drawn = events(stdout).map(({ prompt, answer, sampled }) => ({
      prompt,
      answer,
      sampled,
    }));
    assert.equal(JSON.parse(json).runs[0].samples, drawn);

    const { result, problems } = await open(
      (_, response) => {
        response.writeHead(200, { 'content-type': 'text/html' });
        response.end(page);
      },
      (shown) =>
        shown.evaluate(() => ({
          titles: [...document.querySelectorAll('h2')].map((title) => title.textContent),
          charts: [...document.querySelectorAll('.card h3')].map((title) => title.textContent),
          canvases: document.querySelectorAll('canvas').length,
          rows: [...document.querySelectorAll('.scroll tbody tr')].map(
            (row) => row.textContent ?? '',
          ),
          answers: document.querySelectorAll('dl').length,
          overflow: document.documentElement.scrollWidth - window.innerWidth,
        })),
    );
    assert.equal(problems, []);
    const { titles, charts, canvases, rows, answers, overflow } = result;
    assert.equal(titles, ['The runs', 'Training', 'Gradients', 'Samples', 'Configuration']);
    assert.is(canvases, 8, `${charts}`);
    assert.ok(
      charts.includes('Loss (nats)') && charts.some((text) => text?.includes('by segment')),
    );
    assert.ok(rows[0].includes('first') && rows[1].includes('<script>alert(1)</script>'));
    assert.ok(rows[2].startsWith('seed01'), 'what differs comes first');
    assert.is(answers, 4);
    assert.ok(overflow <= 0);
  });
});

test('a run without a checkpoint has curves only, and its log may be damaged', async () => {
  await inFolder(async (folder) => {
    const run = join(folder, 'run');
    const { code, stderr } = await train(run);
    assert.is(code, 0, stderr);
    await rm(join(run, 'step-4'), { recursive: true });
    const log = join(run, METRICS_FILE);
    await writeFile(log, (await readFile(log, 'utf8')).replace('"step":2', '"step":"2"'));
    const out = join(folder, 'pages', 'of runs', 'page.html'); // a folder that isn't there
    const ended = await memgrad(['report', run, '--out', out]);
    assert.is(ended.code, 0, ended.stderr);
    const [, json] = /id="data">(.*?)<\/script>/s.exec(await readFile(out, 'utf8')) ?? [];
    const [reported] = JSON.parse(json).runs;
    assert.equal(reported.curves.steps, [1, 3, 4]);
    assert.is(reported.saved, null);
    assert.equal(reported.samples, []);
  });
});

test('refuses what is no run, and writes nothing', async () => {
  await inFolder(async (folder) => {
    const out = join(folder, 'page.html');
    await mkdir(join(folder, 'empty'));
    for (const wrong of ['missing', 'empty']) {
      const line = refused(await memgrad(['report', join(folder, wrong), '--out', out]));
      assert.match(line, `There is no run in '${join(folder, wrong)}'`);
    }
    const none = await memgrad(['report', '--out', out]);
    assert.is(none.code, 2);
    assert.match(none.stderr, "missing required argument 'folders'");
    let text = '';
    await readFile(out, 'utf8').then(
      (found) => {
        text = found;
      },
      () => {},
    );
    assert.is(text, '');
  });
});

test('a log of any length becomes at most 1,000 points, each the mean of its steps', () => {
  for (const steps of [1, 999, 1000, 1001, 2000, 2001, 12_345]) {
    const collector = new CurveCollector();
    for (let step = 1; step <= steps; step++) {
      collector.take(line(step, { loss: step, accuracy: step % 3 === 0 ? null : 0.25 }));
    }
    const { steps: points, values } = collector.curves;
    assert.ok(points.length <= 1000 && points.length >= Math.min(steps, 500), `${points.length}`);
    assert.is(points.at(-1), steps);
    const width = points[0];
    for (const [i, last] of points.entries()) {
      const first = i === 0 ? 1 : points[i - 1] + 1;
      assert.ok(last - first < width, `point ${i}`);
      const mean = Number(((first + last) / 2).toPrecision(5));
      assert.is(values.loss[i], mean);
      if (width > 1 && last > first) assert.is(values.accuracy[i], 0.25);
    }
    assert.is(values['segment 2'].length, points.length);
    assert.is(values['layer embedding'][0], 0.5);
  }
});

test('a log that names new layers in every line has a bounded number of curves', () => {
  const collector = new CurveCollector();
  for (let step = 1; step <= 100; step++) {
    const names = Array.from({ length: 500 }, (_, i) => [`${step}.${i}`, 1] as const);
    collector.take(line(step, { layerGradientNorms: Object.fromEntries(names) }));
  }
  const { values } = collector.curves;
  assert.ok(Object.keys(values).length <= 1010, `${Object.keys(values).length}`);
  assert.is(values['layer 1.0'][0], 1);
});

test('a log is read from its start in blocks; bad lines and repeated steps are left out', async () => {
  const text = [
    ...Array.from({ length: 3000 }, (_, i) => JSON.stringify(line(i + 1))),
    '{"step":',
    JSON.stringify(line(2999, { loss: 9 })),
    'x'.repeat(3_000_000),
    JSON.stringify(line(3001)),
    JSON.stringify(line(3002)).slice(0, 20),
  ].join('\n');
  const storage = new MemoryStorage();
  await storage.write(METRICS_FILE, new TextEncoder().encode(text));
  const seen: Metrics[] = [];
  await eachMetrics(storage, (one) => seen.push(one));
  assert.equal(
    seen.map(({ step }) => step),
    Array.from({ length: 3001 }, (_, i) => i + 1),
  );
  assert.ok(seen.every(({ loss }) => loss === 2));
});

test.run();
