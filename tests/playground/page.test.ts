/** The playground as somebody uses it. */
import type { Page } from 'playwright-core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { changesOf, lessons } from '../../playground/src/lessons.js';
import { defaults } from '../../playground/src/state.js';
import { addressOf, openPlayground, settled, show } from './page.js';

const test = suite('the playground');

const button = (page: Page, name: string) => page.getByRole('button', { name, exact: true });
const region = (page: Page, name: string) => page.getByRole('region', { name, exact: true });
const field = (page: Page, label: string) => page.getByLabel(label, { exact: true });

/** The numbers that stand in the box of a model. */
async function readout(page: Page, name: string): Promise<{ step: number; accuracy: number }> {
  const box = region(page, name);
  const text = async (what: string) => (await box.locator(what).textContent()) ?? '';
  return {
    step: Number((await text('.step')).replace(',', '')),
    accuracy: Number.parseFloat(await text('.accuracy')),
  };
}

/** For so long: the tasks of the main thread over 50 ms, and the time from frame to frame, in ms. */
function watchFrames(page: Page, milliseconds: number) {
  return page.evaluate(async (duration) => {
    const longTasks: number[] = [];
    const observer = new PerformanceObserver((list) => {
      longTasks.push(...list.getEntries().map((entry) => entry.duration));
    });
    observer.observe({ type: 'longtask' });
    const frames: number[] = [];
    await new Promise<void>((resolve) => {
      requestAnimationFrame(function draw(now) {
        frames.push(now);
        if (now - frames[0] > duration) resolve();
        else requestAnimationFrame(draw);
      });
    });
    observer.disconnect();
    const gaps = frames.slice(1).map((now, i) => now - frames[i]);
    return { longTasks, median: gaps.sort((a, b) => a - b)[gaps.length >> 1] };
  }, milliseconds);
}

type Frames = Awaited<ReturnType<typeof watchFrames>>;
const isSmooth = ({ longTasks, median }: Frames) => longTasks.length === 0 && median < 20;

test('RMT learns to copy beside a Transformer that cannot, while the page draws 60 frames a second', async () => {
  const { result, problems } = await openPlayground(async (page) => {
    assert.equal(addressOf(page), {});
    await button(page, 'Start').click();
    const windows: Frames[] = [];
    while (windows.length < 20 && !windows.some(isSmooth)) {
      windows.push(await watchFrames(page, 1000));
    }
    await region(page, 'RMT')
      .filter({ hasText: /99\.[89]%|100\.0%/ })
      .waitFor();
    await region(page, 'Held-out sample').filter({ hasText: '12 of 12 right' }).waitFor();
    await page
      .getByText('RMT has learnt the task, Transformer has not; Start continues.')
      .waitFor();
    const [rmt, transformer] = [await readout(page, 'RMT'), await readout(page, 'Transformer')];
    await button(page, 'Step').click();
    const stepped = String(transformer.step + 1);
    await region(page, 'Transformer').filter({ hasText: stepped }).waitFor();
    const plots = await page
      .getByRole('img')
      .evaluateAll((images) => images.map((image) => image.getAttribute('aria-label')));
    await button(page, 'Reset').click();
    await region(page, 'RMT').filter({ hasText: 'Step0' }).waitFor();
    await page.getByText('the curve begins here').nth(1).waitFor(); // drawn a frame later
    const drawn = await page.locator('.plot canvas').count();
    const told = await page.getByText('the curve begins here').count();
    const reset = await readout(page, 'Transformer');
    return { rmt, transformer, windows, plots, reset, drawn, told };
  });
  assert.equal(problems, []);
  const { rmt, transformer, windows, plots, reset, drawn, told } = result;
  assert.ok(rmt.accuracy > 98 && rmt.step < 1000, `${rmt.accuracy}%, ${rmt.step} steps`);
  assert.is(transformer.step, rmt.step, 'they take their steps in turn');
  assert.ok(transformer.accuracy < 40, `the Transformer got ${transformer.accuracy}%`);
  assert.match(
    plots.join(),
    /Accuracy. RMT went from \d+.\d% to [\d.]+% in \d+ steps; Transformer/,
  );
  assert.is(reset.step, 0);
  assert.equal([drawn, told], [0, 2], 'no grid of the curves before');
  // A machine that is busy with something else stretches frames and tasks of some seconds. The
  // page's own work comes ten times in each, with every message of the Worker: if it were too
  // long, no second would be without a long task.
  assert.ok(windows.some(isSmooth), JSON.stringify(windows));
});

test('every control changes the address, and the address brings it back', async () => {
  const controls: [tab: string, label: string, value: string, name: string][] = [
    ['train', 'Model', 'transformer-xl', 'model'],
    ['train', 'Beside it', 'rmt', 'second'],
    ['train', 'Task', 'reverse', 'task'],
    ['train', 'Symbols to reverse', '7', 'length'],
    ['train', 'Segments', '2', 'segments'],
    ['train', 'Memory tokens', '3', 'memory'],
    ['train', 'Rows of cache', '5', 'cache'],
    ['train', 'Backend', 'wasm', ''],
    ['train', 'Layers', '1', 'layers'],
    ['train', 'Heads', '4', 'heads'],
    ['train', 'Width', '16', 'width'],
    ['train', 'Different symbols', '5', 'symbols'],
    ['train', 'Sequences a step', '4', 'batch'],
    ['train', 'Learning rate', '0.01', 'rate'],
    ['train', 'Seed', '9', 'seed'],
    ['train', 'Sample', '3', 'sample'],
    ['train', 'Theme', 'dark', 'theme'],
    ['lens', 'Model', '2', 'shown'],
    ['lens', 'Segment', '2', 'segment'],
    ['lens', 'Layer', '1', ''],
    ['lens', 'Head', '3', 'head'],
  ];
  const { result, problems } = await openPlayground(async (page) => {
    const set = async (label: string, value: string) => {
      const input = field(page, label);
      if ((await input.evaluate(({ tagName }) => tagName)) === 'SELECT') {
        await input.selectOption(value);
      } else {
        await input.fill(value);
        await input.blur();
      }
    };
    const openTab = async (tab: string) => {
      await page.locator(`#tab-${tab}`).click();
      if (tab === 'train') await page.getByText('Sizes and seed').click();
      else await region(page, 'Attention').waitFor();
    };
    for (const tab of ['train', 'lens']) {
      await openTab(tab);
      for (const [, label, value] of controls.filter(([where]) => where === tab)) {
        await set(label, value);
      }
    }
    await settled(page, ({ head }) => head === '3');
    const address = addressOf(page);
    await show(page, `?${new URLSearchParams(address)}`);
    const again: string[] = [];
    for (const tab of ['train', 'lens']) {
      await openTab(tab);
      for (const [, label] of controls.filter(([where]) => where === tab)) {
        again.push(await field(page, label).inputValue());
      }
    }
    const dark = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    await set('Theme', 'light');
    const light = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    return { address, again, dark, light };
  });
  assert.equal(problems, []);
  const { address, again, dark, light } = result;
  for (const [, label, value, name] of controls) {
    if (name) assert.is(address[name], value, label);
  }
  assert.equal(
    again,
    controls.map(([, , value]) => value),
  );
  assert.is.not(dark, light);
});

test('a field that takes another number than was typed says which it takes', async () => {
  const { result, problems } = await openPlayground(async (page) => {
    const typed: Record<string, string> = { '': '3', '-5': '1', '1e9': '12', '2.5': '3', '4': '4' };
    const came: string[] = [];
    const said: number[] = [];
    for (const text of Object.keys(typed)) {
      await field(page, 'Segments').fill('3');
      await field(page, 'Segments').blur();
      await field(page, 'Segments').fill(text);
      await field(page, 'Segments').blur();
      came.push(await field(page, 'Segments').inputValue());
      said.push(await page.getByText('A whole number from 1 to 12.').count());
    }
    return { expected: Object.values(typed), keys: Object.keys(typed), came, said };
  });
  assert.equal(problems, []);
  assert.equal(result.came, result.expected);
  assert.equal(
    result.said,
    result.keys.map((text) => (text === '4' ? 0 : 1)),
  );
});

test('impatient clicks, tabs and changes while it trains leave a page that works', async () => {
  const { result, problems } = await openPlayground(async (page) => {
    for (let i = 0; i < 9; i++) await page.locator('button.main').first().click();
    for (let i = 0; i < 5; i++) await button(page, 'Reset').click();
    await region(page, 'RMT').filter({ hasText: 'Step0' }).waitFor();
    for (let i = 0; i < 5; i++) await button(page, 'Step').click();
    await region(page, 'Transformer').filter({ hasText: 'Step5' }).waitFor();
    await button(page, 'Start').click();
    for (const tab of ['lens', 'microscope', 'bench', 'train', 'lens', 'train']) {
      await page.locator(`#tab-${tab}`).click();
    }
    await field(page, 'Model').selectOption('transformer-xl');
    await field(page, 'Task').selectOption('retrieval');
    await field(page, 'Task').selectOption('reverse');
    for (const { id } of lessons) {
      await page.getByRole('combobox', { name: 'Lesson' }).selectOption(id);
    }
    await page.getByRole('combobox', { name: 'Lesson' }).selectOption('');
    await page.locator('main[aria-busy="false"]').waitFor();
    await region(page, 'RMT').filter({ hasText: 'Step0' }).waitFor();
    await button(page, 'Step').click();
    await region(page, 'Transformer').filter({ hasText: 'Step1' }).waitFor();
    return { address: addressOf(page), alerts: await page.getByRole('alert').count() };
  });
  assert.equal(problems, []);
  assert.equal(result, { address: {}, alerts: 0 });
});

test('links with damaged settings open, and say so where something is missing', async () => {
  const links = [
    'erase=9.99&tab=lens',
    'tab=lens&shown=2&layer=4&head=4&segment=12',
    'tab=lens&model=transformer&erase=1.1',
    'lesson=xyz&theme=purple&sample=99999&rate=1e-300',
    'length=60&segments=12&task=memorize',
    'task=retrieval&length=60&symbols=34',
    'tab=microscope&expression=%00%FF&at=%%%',
    'tab=microscope&expression=constructor*__proto__',
  ];
  const { result, problems } = await openPlayground(async (page) => {
    const alerts: string[] = [];
    for (const link of links) {
      await show(page, `?${link}`);
      await page.locator('.answers, .microscope-input').first().waitFor();
      alerts.push(...(await page.getByRole('alert').allTextContents()));
    }
    return alerts;
  });
  assert.equal(problems, []);
  assert.is(result.length, 1, result.join());
  assert.match(result[0], "unexpected character 'U+0000'");
});

test('a number, the tabs and a heat map by keyboard', async () => {
  const { result, problems } = await openPlayground(async (page) => {
    // What is typed stays, though training draws the page anew ten times a second.
    await button(page, 'Start').click();
    await field(page, 'Sample').fill('');
    await field(page, 'Sample').pressSequentially('12', { delay: 300 });
    await page.keyboard.press('Enter');
    await settled(page, ({ sample }) => sample === '12');
    await page.locator('#tab-train').focus();
    const visited: (string | undefined)[] = [];
    for (const key of [
      'ArrowRight',
      'ArrowRight',
      'ArrowRight',
      'ArrowRight',
      'ArrowLeft',
      'Home',
    ]) {
      await page.keyboard.press(key);
      visited.push(await page.evaluate(() => document.activeElement?.id));
    }
    await show(page, '?tab=lens&segment=2');
    const map = page.getByRole('img', { name: /^Attention/ });
    await map.focus();
    for (const key of ['ArrowDown', 'ArrowDown', 'ArrowRight']) await page.keyboard.press(key);
    const cell = await region(page, 'Attention').locator('output').textContent();
    const shares = await region(page, 'Where attention goes').getByRole('row').allTextContents();
    return { visited, cell, shares };
  });
  assert.equal(problems, []);
  assert.equal(
    result.visited,
    ['lens', 'microscope', 'bench', 'train', 'bench', 'train'].map((tab) => `tab-${tab}`),
  );
  assert.match(result.cell ?? '', /^read memory 2 attends to read memory 2: [\d.]+%$/);
  assert.is(result.shares.length, 4);
  for (const row of result.shares.slice(1)) {
    const sum = row.match(/[\d.]+(?=%)/g)?.reduce((total, share) => total + Number(share), 0);
    assert.ok(Math.abs((sum ?? 0) - 100) < 0.2, row);
  }
});

test('the lesson on memory: RMT learns, an erased token costs the same symbol in every sample', async () => {
  const { result, problems } = await openPlayground(
    async (page) => {
      await button(page, 'Start').click();
      await page.getByText('All is learnt').waitFor();
      const answer = region(page, 'Answer');
      await answer.filter({ hasText: '12 of 12 right' }).waitFor();
      await field(page, 'Erase memory token 3 before segment 2').check();
      const lost: string[] = [];
      for (const sample of [0, 1, 2]) {
        const before = await answer.locator('dd').first().innerText();
        await field(page, 'Sample').fill(String(sample));
        await field(page, 'Sample').blur();
        if (sample > 0) await answer.locator('dd').first().filter({ hasNotText: before }).waitFor();
        lost.push(await answer.filter({ hasText: 'With less memory' }).innerText());
      }
      const address = addressOf(page);
      await button(page, 'Bring all back').click();
      const back = await answer.filter({ hasNotText: 'With less memory' }).innerText();
      const gradient = await page.getByRole('img', { name: /^Norm of the gradient/ }).count();
      return { lost, address, back, gradient };
    },
    { address: '?lesson=memory&tab=lens' },
  );
  assert.equal(problems, []);
  for (const text of result.lost) {
    const wrong = /wrong at ([\d, ]+)/.exec(text.slice(text.indexOf('With less memory')));
    assert.is(wrong?.[1], '3, 9', text);
    const [, all, less] = /Loss ([\d.]+); ([\d.]+) without 1 memory token/.exec(text) ?? [];
    assert.ok(Number(less) > Number(all), text);
  }
  assert.match(result.lost[0], 'The answer loses 2 of its 12 right symbols.');
  assert.is(result.address.erase, '2.3');
  assert.match(result.back, /12 of 12 right/);
  assert.is(result.gradient, 1);
});

test('training pauses where all is learnt, and goes on from there; back goes to the tab before', async () => {
  const { result, problems } = await openPlayground(
    async (page) => {
      const first = page.url();
      await button(page, 'Start').click();
      await page.getByText('All is learnt').waitFor();
      const learnt = await readout(page, 'RMT');
      await page.locator('#tab-lens').click();
      await field(page, 'Sample').fill('7');
      await page.keyboard.press('Enter');
      await settled(page, ({ sample }) => sample === '7');
      await page.goBack();
      const back = page.url();
      await button(page, 'Start').click();
      await region(page, 'RMT')
        .filter({ hasNotText: `Step${learnt.step}Accuracy` })
        .waitFor();
      const later = await readout(page, 'RMT');
      await page.goForward();
      await region(page, 'Attention').waitFor();
      return { first, back, forward: addressOf(page), learnt, later };
    },
    { address: '?length=1&segments=1&layers=1&width=16&memory=1&symbols=2&rate=0.01' },
  );
  assert.equal(problems, []);
  assert.ok(result.learnt.accuracy >= 99.8, `${result.learnt.accuracy}`);
  assert.ok(result.later.step > result.learnt.step, 'it goes on');
  assert.is(result.back, result.first);
  assert.is(result.forward.tab, 'lens');
  assert.is(result.forward.sample, '7');
});

test('every lesson opens by its link; its buttons change the state, bring it into view, mark it and say so', async () => {
  const sizes = { desktop: { width: 1280, height: 800 }, phone: { width: 390, height: 844 } };
  const { result, problems } = await openPlayground(async (page) => {
    const titles: string[] = [];
    const missed: string[] = [];
    await page.emulateMedia({ reducedMotion: 'reduce' }); // it jumps there, with no way to go
    for (const lesson of lessons) {
      const { id, state: start } = lesson;
      await show(page, `?lesson=${id}`);
      titles.push(await page.getByRole('complementary').getByRole('heading').innerText());
      for (const [size, viewport] of Object.entries(sizes)) {
        await page.setViewportSize(viewport);
        for (const { label, state, shows } of changesOf(lesson)) {
          const where = `${size}, ${id}, ${label}`;
          await button(page, label).click();
          await settled(page, (address) => {
            const shown: Partial<Record<string, unknown>> = { ...defaults, ...start, ...address };
            return Object.entries(state).every(([name, value]) => `${shown[name]}` === `${value}`);
          });
          const first = page.locator(`[data-shows="${shows[0]}"][data-marked]`);
          await first.waitFor();
          await page.waitForTimeout(150); // what is drawn only now moves it
          const seen = await first.evaluate((part) => {
            const { top, bottom } = part.getBoundingClientRect();
            const focused = part.contains(document.activeElement);
            return { top, bottom, focused, height: innerHeight };
          });
          const inView = seen.bottom <= seen.height || seen.top < seen.height / 3;
          if (seen.top < 0 || !inView || !seen.focused)
            missed.push(`${where}: ${JSON.stringify(seen)}`);
          const marked = await page.locator('[data-marked]').count();
          if (marked !== shows.length) missed.push(`${where}: ${marked} are marked`);
          const told = page.getByRole('status').filter({ hasText: 'Marked: ' });
          if (!/Marked: .+\./.test((await told.textContent()) ?? ''))
            missed.push(`${where}: not said`);
        }
      }
    }
    await button(page, 'Back to the lesson').click();
    const back = await page.evaluate(() => document.activeElement?.textContent);
    await page.locator('[data-marked]').first().waitFor({ state: 'detached' });
    await page.getByRole('combobox', { name: 'Lesson' }).selectOption(lessons[0].id);
    await settled(page, ({ lesson }) => lesson === lessons[0].id);
    return { titles, missed, back, address: addressOf(page) };
  });
  assert.equal(problems, []);
  assert.equal(
    result.titles,
    lessons.map(({ title }) => title),
  );
  assert.equal(result.missed, []);
  assert.is(result.back, changesOf(lessons[lessons.length - 1]).at(-1)?.label);
  assert.equal(result.address, { lesson: lessons[0].id });
});

test('the GPU backends take the steps that wasm takes', async () => {
  // One sequence in a batch, as in the answer: webgl compiles each kernel for one shape. Two
  // segments, so that memory is handed on and its gradient comes back.
  const address = '?segments=2&layers=1&heads=1&width=16&length=2&batch=1&rate=0.01';
  const { result, problems } = await openPlayground(
    async (page) => {
      await page.getByLabel('Backend').getByText('webgpu').waitFor({ state: 'attached' });
      const offered = await field(page, 'Backend').locator('option').allTextContents();
      await page.locator('#tab-bench').click();
      const adapters = await region(page, 'Bench').locator('p').first().innerText();
      await page.locator('#tab-train').click();
      const losses: number[][] = [];
      const model = region(page, 'RMT');
      for (const backend of offered) {
        await field(page, 'Backend').selectOption(backend);
        await model.filter({ hasText: 'Step0' }).waitFor();
        const ofSteps: number[] = [];
        for (const step of [1, 2]) {
          await button(page, 'Step').click();
          await model.filter({ hasText: `Step${step}` }).waitFor();
          ofSteps.push(Number(/Loss\s+([\d.]+)/.exec(await model.innerText())?.[1]));
        }
        losses.push(ofSteps);
      }
      return { offered, losses, adapters };
    },
    { gpu: true, address },
  );
  assert.equal(problems, []);
  assert.equal(result.offered, ['wasm', 'webgl', 'webgpu']);
  for (const name of ['webgl', 'webgpu']) {
    // The browser of the tests has no GPU.
    assert.match(
      result.adapters,
      new RegExp(`${name} computes on [^:]*swiftshader[^:]*: software`, 'i'),
    );
  }
  const [wasm, ...others] = result.losses;
  const text = JSON.stringify(result.losses);
  assert.ok(Math.abs(wasm[1] - wasm[0]) > 2e-2, `the second loss shows the first update: ${text}`);
  for (const losses of others) {
    for (const [i, loss] of losses.entries()) assert.ok(Math.abs(loss - wasm[i]) < 2e-3, text);
  }
});

test('the bench measures a step and copies its table', async () => {
  const { result, problems } = await openPlayground(async (page) => {
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    await show(page, '?tab=bench');
    await field(page, 'Timed steps').fill('2');
    await field(page, 'Timed steps').blur();
    await button(page, 'Measure').click();
    await page.locator('#tab-train').click(); // it goes on meanwhile
    const busy = page.locator('.busy');
    const waits = await busy.innerText();
    await busy.waitFor({ state: 'detached' });
    await page.locator('#tab-bench').click();
    await page.getByText('Done.').waitFor();
    await button(page, 'Copy as Markdown').click();
    await page.getByText('Copied.').waitFor();
    const first = await region(page, 'Bench').locator('p').first().innerText();
    return { first, waits, copied: await page.evaluate(() => navigator.clipboard.readText()) };
  });
  assert.equal(problems, []);
  const { copied, first, waits } = result;
  assert.match(
    waits,
    /^The bench is measuring \w+\. Training and answers wait until it is done\.$/,
  );
  assert.match(first, /^wasm computes on the processor\./);
  assert.match(copied.replaceAll('\n', ' '), first);
  const [head, rule, row] = copied.split('\n');
  assert.match(head, /^\| backend \| ms a step: median \|/);
  assert.match(rule, /^\| --- \| ---: \|/);
  const [name, median, , firstStep] = row
    .split('|')
    .slice(1)
    .map((cell) => cell.trim());
  assert.is(name, 'wasm');
  assert.ok(Number(median) > 1 && Number(firstStep) > 1, row);
});

test.run();
