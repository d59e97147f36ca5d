/** `memgrad demo` in its full length, the longest of the commands: a file of its own, so that it runs beside the others. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { events, memgrad } from './spawn.js';

const test = suite('memgrad demo');

test('the demo: RMT learns what the Transformer cannot see', async () => {
  const { code, stdout, stderr } = await memgrad(['demo', '--json']);
  assert.is(code, 0, stderr);
  const all = events(stdout);
  const heldOut = (name: string) => {
    const result = all.find(({ event, model }) => event === 'result' && model === name);
    assert.ok(result, name);
    return (result.evaluation as { accuracy: number }).accuracy;
  };
  assert.ok(heldOut('rmt') >= 0.99, `RMT ${heldOut('rmt')}`);
  const chance = all[0].chance as number;
  assert.ok(heldOut('transformer') <= chance + 0.05, `Transformer ${heldOut('transformer')}`);
});

test.run();
