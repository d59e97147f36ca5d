/** `memgrad demo`, the longest of the commands: a file of its own, so that it runs beside the others. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DEMO, runDemo } from '../../src/cli/demo.js';
import { LONG } from '../backends/arrays.js';
import { events, memgrad } from './spawn.js';

const test = suite('memgrad demo');

/**
 * In the short mode the Transformer takes half of the steps that RMT needs, 126, and Transformer-XL,
 * of which nothing is expected here, takes 10.
 */
const short = { transformer: 63, 'transformer-xl': 10, rmt: 130 };
const steps = (name: keyof typeof short) => (LONG ? DEMO.steps : short[name]);

/** Collects what `call` prints to standard output. */
async function printed(call: () => Promise<void>): Promise<string> {
  const { write } = process.stdout;
  let text = '';
  process.stdout.write = (part) => {
    text += part;
    return true;
  };
  try {
    await call();
  } finally {
    process.stdout.write = write;
  }
  return text;
}

test('the demo: RMT learns what the Transformer cannot see', async () => {
  const all = events(await printed(() => runDemo({ backend: 'wasm', json: true }, steps)));
  const result = (name: string) => {
    const found = all.find(({ event, model }) => event === 'result' && model === name);
    assert.ok(found, name);
    return found;
  };
  const heldOut = (name: string) => (result(name).evaluation as { accuracy: number }).accuracy;
  assert.ok(heldOut('rmt') >= 0.99, `RMT ${heldOut('rmt')}`);
  const chance = all[0].chance as number;
  assert.ok(heldOut('transformer') <= chance + 0.05, `Transformer ${heldOut('transformer')}`);
  assert.is(result('transformer').step, steps('transformer'));
});

test('the command starts that demo, in its full length', async () => {
  const { code, stdout } = await memgrad(['demo', '--json'], (printed, child) => {
    if (printed.includes('"event":"step"')) child.kill('SIGKILL');
  });
  assert.is(code, null);
  const [start, step] = stdout.split('\n');
  const { event, seed, chance, ...sizes } = JSON.parse(start);
  assert.equal([event, seed, chance], ['start', 0, 0.1]);
  assert.equal(sizes, DEMO);
  assert.is(JSON.parse(step).model, 'transformer');
});

test.run();
