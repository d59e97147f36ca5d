/** axe-core on every view, light and dark, on a desktop's and a phone's width. */
import { readFileSync } from 'node:fs';
import type { Page } from 'playwright-core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { tabs } from '../../playground/src/state.js';
import { follow, openPlayground } from './page.js';

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

/** The rules that the colours of a theme can break. */
const ofColours = ['color-contrast', 'link-in-text-block'];

/** Runs the rules of axe, or only `rules`: how many are kept, and what breaks the others. */
function check(page: Page, rules?: string[]): Promise<{ kept: number; broken: string[] }> {
  return page.evaluate(async (runOnly) => {
    const { axe } = globalThis as unknown as { axe: typeof import('axe-core') };
    const { violations, passes } = await axe.run(runOnly ? { runOnly } : {});
    const broken = violations.map(
      ({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ html }) => html).join(' ')}`,
    );
    return { kept: passes.length, broken }; // the whole results are 300 kB
  }, rules);
}

test('axe finds nothing on any tab, in light and dark, and nothing is wider than a desktop or a phone', async () => {
  const { result, problems } = await openPlayground(async (page) => {
    const found: string[] = [];
    await page.emulateMedia({ reducedMotion: 'reduce' });
    await page.evaluate(axe);
    for (const view of views) {
      await follow(page, `?${view}`);
      const step = page.getByRole('button', { name: 'Step', exact: true });
      if ((await step.count()) > 0) await step.click();
      await page.evaluate(() => {
        for (const details of document.querySelectorAll('details')) details.open = true;
      });
      if (!view.includes('bench')) await page.locator('.answers, .tape').first().waitFor();
      for (const [size, viewport] of Object.entries(sizes)) {
        await page.setViewportSize(viewport);
        // The narrowest page must fit; its rules and colours are those of a phone.
        const isNarrow = size === 'narrow';
        for (const colorScheme of isNarrow ? ['light' as const] : (['light', 'dark'] as const)) {
          await page.emulateMedia({ colorScheme });
          await page.locator(`[data-theme="${colorScheme}"]`).waitFor();
          await page.waitForTimeout(100); // for what is drawn anew
          const where = `${view}, ${size}, ${colorScheme}`;
          const width = await page.evaluate(() => document.documentElement.scrollWidth);
          if (width > viewport.width) found.push(`${where}: ${width} pixels wide`);
          if (isNarrow) continue;
          const all = colorScheme === 'light';
          const { kept, broken } = await check(page, all ? undefined : ofColours);
          assert.ok(kept > (all ? 15 : 0), `${where}: axe found ${kept} rules to be kept`);
          found.push(...broken.map((rule) => `${where}: ${rule}`));
        }
      }
    }
    return found;
  });
  assert.equal(problems, []);
  assert.equal(result, []);
});

test.run();
