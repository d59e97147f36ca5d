/** What a browser's console shows of a tensor: the fields that it has room for. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { bundle } from '../bundle.js';
import { open } from './browser.js';

const test = suite('browser console');

interface Shown {
  readonly description: string;
  readonly preview: { readonly properties: readonly { name: string; value: string }[] };
}

test('a tensor shows its dtype and its axes, and arithmetic says what to write', async () => {
  const chunks = await bundle(`
    import { tensor } from './src/index.ts';
    const x = tensor([[1, 2], [3, 4]]);
    export const show = () => console.log(x);
    export const text = String(x);
    export let message = '';
    try { 1 + x } catch (error) { message = error.message }
  `);
  const { result } = await open(
    ({ url }, response) => {
      const chunk = chunks.find(({ name }) => url === `/${name}`);
      response.writeHead(200, { 'content-type': chunk ? 'text/javascript' : 'text/html' });
      response.end(chunk?.bytes ?? '<!doctype html><title>memgrad</title>');
    },
    async (page) => {
      const session = await page.context().newCDPSession(page);
      const shown: Shown[] = [];
      session.on('Runtime.consoleAPICalled', ({ args }) => shown.push(args[0] as Shown));
      await session.send('Runtime.enable');
      const texts = await page.evaluate(async () => {
        const entry = '/entry.js';
        const { show, text, message } = await import(entry);
        show();
        return { text, message };
      });
      while (shown.length === 0) await page.waitForTimeout(20);
      return { ...texts, shown: shown[0] };
    },
  );
  assert.is(result.text, 'Tensor(float32 [2, 2] on wasm)');
  assert.match(result.message, /can't be used with \+, \*, < or ==; write add\(a, b\)/);
  const fields = new Map(result.shown.preview.properties.map(({ name, value }) => [name, value]));
  assert.is(fields.get('dtype'), 'float32');
  assert.is(fields.get('axes'), 'Array(2)');
});

test.run();
