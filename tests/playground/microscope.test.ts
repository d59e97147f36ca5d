/** The autodiff microscope as it is used: its numbers, its keys, and what a screen reader is told. */
import { readFileSync } from 'node:fs';
import type { Page } from 'playwright-core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { changesOf, lessons } from '../../playground/src/lessons.js';
import { add, grad, mul, type Tensor, tanh, tensor } from '../../src/autograd/index.js';
import { examples, explain, parseValues, stepsOf, writeValues } from '../../src/explain/index.js';
import { follow, openPlayground, settled } from './page.js';

const test = suite('microscope');

interface Row {
  computed: string;
  value: string;
  gradient: string;
}

const linkTo = (about: Record<string, string>) =>
  `?${new URLSearchParams({ tab: 'microscope', ...about })}`;

/** Opens the microscope, as `about` describes it. */
async function microscope<T>(
  about: Record<string, string>,
  use: (page: Page) => Promise<T>,
): Promise<T> {
  const { result, problems } = await openPlayground(
    async (page) => {
      await page.waitForSelector('.tape');
      return use(page);
    },
    { address: linkTo(about) },
  );
  assert.equal(problems, []);
  return result;
}

const rows = (page: Page): Promise<Row[]> =>
  page.locator('.tape tbody tr').evaluateAll((found) =>
    found.map(({ children: [computed, value, gradient] }) => ({
      computed: computed.textContent ?? '',
      value: value.textContent ?? '',
      gradient: gradient.textContent ?? '',
    })),
  );
const press = (page: Page, name: string) => page.getByRole('button', { name, exact: true }).click();
const said = async (page: Page) => (await page.locator('.step-text').textContent()) ?? '';
const stepNow = async (page: Page) => (await page.locator('.slider label').textContent()) ?? '';
const alarm = async (page: Page) => (await page.getByRole('alert').textContent()) ?? '';

/** The numbers of a value, nested or not. */
const numbersOf = (text: string) => (text.match(/-?[\d.]+(e[+-]?\d+)?/g) ?? []).map(Number);

function close(came: readonly number[], expected: readonly number[], what: string) {
  assert.is(came.length, expected.length, what);
  came.forEach((value, i) => {
    const error = Math.abs(value - expected[i]) / Math.max(1e-3, Math.abs(expected[i]));
    assert.ok(error < 2e-5, `${what}: ${came}, expected ${expected}`);
  });
}

test('every number of the examples is that of the library in float64', () =>
  microscope({}, async (page) => {
    for (const { name, expression, at } of examples) {
      await follow(page, '?tab=bench'); // the microscope is made anew
      await follow(page, linkTo({ expression, at: writeValues(Object.entries(at)) }));
      await press(page, 'Last');
      const { nodes } = await explain(expression, { at });
      const drawn = nodes.filter(({ kind, shape }) => kind !== 'constant' || shape.length > 0);
      const shown = await rows(page);
      assert.is(shown.length, drawn.length, name);
      drawn.forEach(({ value, gradient = [], name }, i) => {
        close(numbersOf(shown[i].value), value, `${name} in ${expression}`);
        close(numbersOf(shown[i].gradient), gradient, `d${name} in ${expression}`);
      });
    }
  }));

test('one neuron: the gradients are those of grad', async () => {
  const shown = await microscope(
    { expression: 'tanh(w * x + b)', at: 'w=0.7, x=-1.1, b=0.3' },
    async (page) => {
      await press(page, 'Last');
      return rows(page);
    },
  );
  const neuron = ([w, x, b]: Tensor[]) => tanh(add(mul(w, x), b));
  const gradients = grad(neuron)([0.7, -1.1, 0.3].map((value) => tensor(value)));
  for (const [i, name] of ['w', 'x', 'b'].entries()) {
    const row = shown.find(({ computed }) => computed === name);
    close(numbersOf(row?.gradient ?? ''), [await gradients[i].item()], name);
  }
});

test('keys step forward and backward; what happens is said', () =>
  microscope({ expression: 'x * x + x', at: 'x=3' }, async (page) => {
    await page.getByText('Step 0 of 5').waitFor();
    await page.getByRole('button', { name: 'Forward', exact: true }).focus();
    await page.keyboard.press('ArrowRight');
    assert.match(await said(page), /Forward: v₁ = x \* x= 9/);
    for (let i = 0; i < 3; i++) await page.keyboard.press('ArrowRight');
    assert.match(await said(page), /Backward: v₂ = v₁ \+ x/);
    await page.keyboard.press('End');
    assert.match(await said(page), 'dx = 1 + 3 = 4');
    assert.match(await said(page), 'dx = 4 + 3 = 7');
    await page.keyboard.press('ArrowLeft');
    await page.getByText('Step 4 of 5').waitFor();
    await page.keyboard.press('Home');
    await page.getByText('Step 0 of 5').waitFor();
    await page.getByRole('textbox', { name: 'Expression' }).focus();
    await page.keyboard.press('ArrowRight');
    await page.getByText('Step 0 of 5').waitFor();
    await page.getByRole('button', { name: /^v₂ = v₁ \+ x/ }).focus();
    await page.keyboard.press('Enter');
    await page.getByText('Step 2 of 5').waitFor();
    await page.getByRole('button', { name: /^v₂ = v₁ \+ x 12/ }).waitFor();
    await page.getByLabel('Step 2 of 5').focus();
    await page.keyboard.press('ArrowRight');
    await page.getByText('Step 3 of 5').waitFor();
    assert.is(await page.locator('.tape tr[aria-current=step]').count(), 1);
  }));

test('a value that is changed runs at once, and stands in the address', () =>
  microscope({ expression: 'w * sum(x)', at: 'w=2, x=[1, 2]' }, async (page) => {
    await press(page, 'Last');
    await page.getByLabel('w', { exact: true }).fill('-0.5');
    await page.locator('.tape tr', { hasText: 'v₂ = w * v₁' }).getByText('-1.5').waitFor();
    await page.getByLabel('x', { exact: true }).fill('[1, 2, 4');
    await page.getByRole('alert').filter({ hasText: 'ends too early' }).waitFor();
    await page.getByLabel('x', { exact: true }).fill('[1, 2, 4]');
    await page.locator('.tape tr', { hasText: 'v₂ = w * v₁' }).getByText('-3.5').waitFor();
    assert.is(await page.getByRole('alert').count(), 0);
    await settled(page, ({ at }) => at === 'w=-0.5, x=[1, 2, 4]');
  }));

test('what is not understood is said, and what was shown stays', () =>
  microscope({}, async (page) => {
    await page.getByRole('textbox', { name: 'Expression' }).fill('tanh(w * x + foo(b))');
    assert.match(await alarm(page), "'foo' at character 14 is not an operation");
    assert.match((await rows(page)).map(({ computed }) => computed).join(), 'v₃ = tanh(v₂)');
    await page.getByRole('textbox', { name: 'Expression' }).fill('');
    await page.getByRole('alert').filter({ hasText: 'is empty' }).waitFor();
    await page.getByRole('textbox', { name: 'Expression' }).fill('matmul(A, B)');
    await page.getByRole('alert').filter({ hasText: 'expected tensors of rank 2' }).waitFor();
    await page.getByLabel('A', { exact: true }).fill('[[1, 2]]');
    await page.getByRole('alert').filter({ hasText: 'No value was given for B,' }).waitFor();
    await page.getByLabel('B', { exact: true }).fill('[[3], [4]]');
    await page.locator('.tape tr', { hasText: 'v₁ = matmul(A, B)' }).waitFor();
    await press(page, 'Last');
    await page.locator('.tape tr', { hasText: 'v₁ = matmul(A, B)' }).getByText('[[11]]').waitFor();
    await press(page, 'First');
    await page.getByRole('textbox', { name: 'Expression' }).fill('a / b');
    await page.locator('.tape tr', { hasText: 'v₁ = a / b' }).waitFor();
    assert.match(await said(page), 'No value was written for a, b, so');
  }));

const opened = (page: Page) => page.getByRole('textbox', { name: 'Expression' });

test('an error is about the field that it comes from, and the graph before is grey until it is repaired', () =>
  microscope({}, async (page) => {
    const stale = page.locator('.stale');
    assert.is(await stale.count(), 0);
    const w = page.getByLabel('w', { exact: true });
    for (const [typed, said] of [
      ['1,2', "The value of w, '1,2', has commas; write [1, 2] for a list, and 1.2 for"],
      ['NaN', 'is neither a number'],
      ['[1, [2]]', 'uneven'],
      ['1e999', 'larger than any number'],
      ['constructor', "'constructor' at character 1 of the value of w is neither a number"],
    ]) {
      await w.fill(typed);
      await page.getByRole('alert').filter({ hasText: said }).waitFor();
      assert.is(await w.getAttribute('aria-invalid'), 'true');
    }
    await w.blur();
    assert.is(await w.inputValue(), 'constructor', 'what was typed stays');
    assert.is(await stale.getAttribute('inert'), '');
    await page.getByText('the graph below still shows tanh(w * x + b)').waitFor();
    assert.equal(await page.evaluate(() => location.search), '?tab=microscope');
    await w.fill('');
    assert.is(await page.getByRole('alert').count(), 0, 'an empty field is just being filled');
    await w.blur();
    assert.is(await w.inputValue(), '0.5');
    await w.fill('0.25');
    await page.locator('.stale').waitFor({ state: 'detached' });
    await opened(page).fill('-x**2');
    await page.getByRole('alert').filter({ hasText: 'write -(x ** 2) or (-x) ** 2' }).waitFor();
    await page.getByText('the graph below still shows tanh(w * x + b)').waitFor();
    await opened(page).fill('-(x**2)');
    await page.locator('.tape tr', { hasText: 'v₂ = -v₁' }).waitFor();
    assert.is(await stale.count(), 0);
  }));

test('values in the address that cannot be read are left out with a sentence, and can be replaced', () =>
  microscope({ at: 'w=1,2' }, async (page) => {
    assert.match(await alarm(page), 'The address has values that cannot be read, “w=1,2”');
    await page.getByLabel('x', { exact: true }).fill('3');
    await settled(page, ({ at }) => at === 'x=3');
    assert.is(await page.getByRole('alert').count(), 0);
  }));

test('a missing gradient and NaN are explained and marked', () =>
  microscope({ expression: 'x = 5; x * x' }, async (page) => {
    await page
      .getByText('The result depends on no variable, so there is no gradient. x is')
      .waitFor();
    await opened(page).fill('log(x) * y');
    await page.getByLabel('x', { exact: true }).fill('-1');
    await page.getByText('NaN begins at v₁ = log(x): log(-1) has no value.').waitFor();
    assert.is(await page.locator('.lost').count(), 0, 'nothing has been computed yet');
    await press(page, 'Last');
    const marked = await page.locator('td.lost').allTextContents();
    assert.equal(marked, ['NaN', 'NaN', 'NaN'], 'both values, and the gradient by y');
    assert.is(await page.locator('.box.lost').count(), 3);
  }));

test('it plays to the end, and can be paused', () =>
  microscope({ expression: 'x + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1' }, async (page) => {
    await press(page, 'Play');
    await page.getByText(/^Step [1-9]/).waitFor();
    await press(page, 'Pause');
    const at = await stepNow(page);
    await page.waitForTimeout(1200);
    assert.is(await stepNow(page), at);
    await press(page, 'Last');
    await press(page, 'Back');
    await press(page, 'Play');
    await page.getByText('Step 21 of 21').waitFor();
    await page.getByRole('button', { name: 'Play', exact: true }).waitFor();
  }));

test('axe finds nothing while it steps', () => {
  const { expression, at } = examples[1];
  const about = { expression, at: writeValues(Object.entries(at)) };
  return microscope(about, async (page) => {
    await page.evaluate(readFileSync('node_modules/axe-core/axe.min.js', 'utf8'));
    for (const width of [1200, 360]) {
      await page.setViewportSize({ width, height: 800 });
      for (const to of ['Forward', 'Last', 'Back', 'First']) {
        await press(page, to);
        const found = await page.evaluate(async () => {
          const { axe } = globalThis as unknown as { axe: typeof import('axe-core') };
          const { violations } = await axe.run();
          return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html)}`);
        });
        assert.equal(found, [], `${to}, ${width} pixels wide`);
      }
    }
  });
});

const ofLesson = async (id: string, change = -1) => {
  const lesson = lessons.find((each) => each.id === id);
  assert.ok(lesson);
  const { expression = '', at = '' } = { ...lesson.state, ...changesOf(lesson)[change]?.state };
  const explanation = await explain(expression, { at: parseValues(at) });
  const find = (wanted: string) => explanation.nodes.find(({ name }) => name === wanted);
  return { ...explanation, find, value: explanation.nodes[explanation.result].value[0] };
};

test('the lesson of a first gradient says what is so', async () => {
  const first = await ofLesson('gradient');
  close([first.value, ...(first.find('w')?.gradient ?? [])], [0.635149, 1.19317], 'as told');
  assert.equal(
    stepsOf(first)
      .slice(0, 5)
      .map(({ kind }) => kind),
    ['start', 'forward', 'forward', 'forward', 'seed'],
  );
  const larger = await ofLesson('gradient', 0);
  assert.ok(Math.abs(larger.value - first.value - 0.0119) < 2e-4);
  const flat = await ofLesson('gradient', 1);
  assert.ok(Math.abs(flat.find('w')?.gradient?.[0] ?? 1) < 1e-3);
  assert.equal((await ofLesson('gradient', 2)).find('x')?.gradient, [7]);
});

test('the lesson of softmax says what is so', async () => {
  const long = await ofLesson('softmax');
  const expected = long.find('p')?.value.map((p, i) => p - [1, 0, 0][i]) ?? [];
  close(long.find('z')?.gradient ?? [], expected, 'p minus the target');
  const short = await ofLesson('softmax', 0);
  close(short.find('z')?.gradient ?? [], expected, 'as one operation');
  const lost = await ofLesson('softmax', 1);
  assert.ok(lost.find('z')?.gradient?.some(Number.isNaN));
  const kept = await ofLesson('softmax', 2);
  assert.ok(kept.find('z')?.gradient?.every(Number.isFinite));
});

test('a lesson opens the microscope with its expression', () =>
  microscope({ lesson: 'softmax' }, async (page) => {
    assert.match(
      await page.getByRole('textbox', { name: 'Expression' }).inputValue(),
      'p = e / sum(e)',
    );
    await press(page, 'As one operation');
    await page.locator('.tape tr', { hasText: 'crossEntropy' }).waitFor();
  }));

test.run();
