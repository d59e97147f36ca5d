/** axe-core on every view, light and dark, on a desktop's and a phone's width. */
import { readFileSync } from 'node:fs';
import type { AxeResults } from 'axe-core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { tabs } from '../../playground/src/state.js';
import { openPlayground, show } from './page.js';

const test = suite('accessibility of the playground');

const axe = readFileSync('node_modules/axe-core/axe.min.js', 'utf8');
const sizes = {
  desktop: { width: 1280, height: 900 },
  phone: { width: 360, height: 740 },
  narrow: { width: 320, height: 640 },
};
const views = [
  ...tabs.map((tab) => `tab=${tab}&second=transformer-xl-rmt&shown=2`),
  'lesson=memory&erase=2.1',
  // Words that find no place to break, NaN, and an error.
  `tab=microscope&${new URLSearchParams({ expression: `log(-${'long'.repeat(40)})` })}`,
  'tab=microscope&at=w=1,2',
];

test('axe finds nothing on any tab, in light and dark, and nothing is wider than a desktop or a phone', async () => {
  const { result, problems } = await openPlayground(async (page) => {
    const found: string[] = [];
    await page.emulateMedia({ reducedMotion: 'reduce' });
    for (const view of views) {
      await show(page, `?${view}`);
      const step = page.getByRole('button', { name: 'Step', exact: true });
      if ((await step.count()) > 0) await step.click();
      await page.evaluate(() => {
        for (const details of document.querySelectorAll('details')) details.open = true;
      });
      if (!view.includes('bench')) await page.locator('.answers, .tape').first().waitFor();
      await page.evaluate(axe);
      for (const [size, viewport] of Object.entries(sizes)) {
        for (const colorScheme of ['light', 'dark'] as const) {
          await page.setViewportSize(viewport);
          await page.emulateMedia({ colorScheme });
          await page.waitForTimeout(100); // for what is drawn anew
          const { violations, passes } = await page.evaluate(() =>
            (window as unknown as { axe: { run(): Promise<AxeResults> } }).axe.run(),
          );
          const where = `${view}, ${size}, ${colorScheme}`;
          assert.ok(passes.length > 15, `${where}: axe found ${passes.length} rules to be kept`);
          for (const { id, help, nodes } of violations) {
            found.push(`${where}: ${id}: ${help}: ${nodes.map(({ html }) => html).join(' ')}`);
          }
          const width = await page.evaluate(() => document.documentElement.scrollWidth);
          if (width > viewport.width) found.push(`${where}: ${width} pixels wide`);
        }
      }
    }
    return found;
  });
  assert.equal(problems, []);
  assert.equal(result, []);
});

test.run();
