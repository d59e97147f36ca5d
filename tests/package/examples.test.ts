/** The examples, as whoever copies one has it: beside the package installed from its tarball. */
import { mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import type { RequestListener } from 'node:http';
import { dirname, join, resolve } from 'node:path';
import type { Page } from 'playwright-core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { serveFiles } from '../../scripts/serve.mjs';
import { open } from '../browser/browser.js';
import { example, install, node } from './installed.js';

const test = suite('examples');

/** Serves a folder, and the installed packages as its node_modules. */
function serve(folder: string, page = 'index.html', policy?: string): RequestListener {
  const fileOf = (path: string) =>
    join(path.startsWith('/node_modules/') ? install().folder : folder, path === '/' ? page : path);
  return serveFiles(fileOf, policy ? { 'content-security-policy': policy } : {});
}

/** What stands in the output of the page, once it matches. */
async function output(page: Page, wanted: RegExp): Promise<string> {
  const element = page.locator('output');
  await element.filter({ hasText: wanted }).waitFor({ timeout: 60_000 });
  return (await element.textContent()) ?? '';
}

/** Share of right answers, in per cent, in what an example says at its end. */
function rightOf(text: string): number {
  const [, percent] = /([\d.]+)% of all answers right/.exec(text) ?? [];
  return Number(percent);
}

test('node: trains, answers, saves', () => {
  const folder = example('node');
  const text = node(['train.mjs'], folder);
  assert.ok(rightOf(text) > 90, text);
  const saved = readFileSync(join(folder, 'model.safetensors'));
  const header = saved.toString('utf8', 8, 8 + Number(saved.readBigUInt64LE()));
  assert.match(header, '"memory"');
});

test('page: one file with a script tag trains in the browser', async () => {
  const { result, problems } = await open(serve(example('page')), (page) =>
    output(page, /all answers right/),
  );
  assert.equal(problems, []);
  assert.ok(rightOf(result) > 90, result);
});

test('worker: the page goes on drawing, and can stop the worker', async () => {
  const { result, problems } = await open(serve(example('worker')), async (page) => {
    const text = await output(page, /all answers right/);
    const frames = Number(await page.locator('#frames').textContent());
    await page.reload();
    await output(page, /step/);
    await page.click('#stop');
    const stopped = await output(page, /stopped/);
    await page.waitForTimeout(300); // in which it would take some thirty steps
    return { text, frames, stopped, later: await output(page, /./) };
  });
  assert.equal(problems, []);
  assert.ok(rightOf(result.text) > 90, result.text);
  assert.ok(result.frames > 20, `${result.frames} frames while it trained`);
  assert.match(result.stopped, /^step \d+, loss [\d.]+ \(stopped\)$/);
  assert.is(result.later, result.stopped);
});

test('vite: compiles strictly, is built, trains and answers', async () => {
  const folder = example('vite');
  node([resolve('node_modules/@typescript/native/bin/tsc')], folder);
  node([resolve('node_modules/vite/bin/vite.js'), 'build', '--logLevel', 'warn'], folder);
  const { result, problems } = await open(serve(join(folder, 'dist')), async (page) => {
    await page.click('#train');
    await page.locator('#ask:enabled').waitFor({ timeout: 60_000 });
    await page.fill('#digits', '271');
    await page.click('#ask');
    return output(page, /answer/);
  });
  assert.equal(problems, []);
  assert.is(result, 'answer 271');
});

test('react: a component trains a model while it is shown, and leaves nothing behind', async () => {
  const folder = example('react');
  const packages = [
    'react',
    'react-dom',
    'scheduler',
    '@types/react',
    '@types/react-dom',
    'csstype',
  ];
  for (const name of packages) {
    const target = join(folder, 'node_modules', name);
    mkdirSync(dirname(target), { recursive: true });
    symlinkSync(resolve('node_modules', name), target);
  }
  node([resolve('node_modules/@typescript/native/bin/tsc')], folder);
  node([resolve('node_modules/vite/bin/vite.js'), 'build', '--logLevel', 'warn'], folder);
  const { result, problems } = await open(serve(join(folder, 'dist')), async (page) => {
    const done = await output(page, /step 300: /);
    const memory = page.locator('#memory');
    const removed = async () => {
      await page.click('button');
      await memory.filter({ hasText: /^0 buffers/ }).waitFor({ timeout: 10_000 });
    };
    await removed();
    await page.click('button');
    await output(page, /step /);
    await removed(); // in the middle of a training
    return { done, squares: await page.locator('rect').count() };
  });
  assert.equal(problems, []);
  const [, percent] = /([\d.]+)% of new points right/.exec(result.done) ?? [];
  assert.ok(Number(percent) > 93, result.done);
  assert.is(result.squares, 0);
});

test('extension: the popup learns under the policy of its manifest', async () => {
  const folder = example('extension');
  const manifest = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8'));
  const policy: string = manifest.content_security_policy.extension_pages;
  const popup = manifest.action.default_popup;
  const { result, problems } = await open(serve(folder, popup, policy), async (page) => {
    const learnt = await output(page, /learnt/);
    const textOn = async (background: string, shown: string) => {
      await page.fill('#colour', background);
      const sample = page.locator(`#sample[style*="${shown}"]`);
      return sample.evaluate(({ style }) => style.color);
    };
    const fromText = () =>
      new Promise((resolve) => {
        // Later, since what a debugger evaluates is not held to the policy.
        setTimeout(() => {
          try {
            resolve(new Function('return "allowed"')());
          } catch (error) {
            resolve(String(error));
          }
        });
      });
    return {
      learnt,
      onDark: await textOn('#102040', 'rgb(16, 32, 64)'),
      onLight: await textOn('#ffe082', 'rgb(255, 224, 130)'),
      fromText: await page.evaluate(fromText),
    };
  });
  assert.match(String(result.fromText), 'EvalError', 'the policy holds');
  assert.equal(problems, []);
  const [, right] = /learnt: (\d+) of 256/.exec(result.learnt) ?? [];
  assert.ok(Number(right) > 230, result.learnt);
  assert.is(result.onDark, 'white');
  assert.is(result.onLight, 'black');
});

test('there is no example that is not run', () => {
  const folders = readdirSync('examples', { withFileTypes: true }).filter((e) => e.isDirectory());
  assert.equal(folders.map(({ name }) => name).sort(), [
    'extension',
    'node',
    'page',
    'react',
    'vite',
    'worker',
  ]);
});

test.run();
