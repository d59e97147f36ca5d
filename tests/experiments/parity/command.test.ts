/** `memgrad parity` as a user calls it. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { events, memgrad } from '../../cli/spawn.js';

const test = suite('memgrad parity');

const golden = (name: string) => `tests/goldens/${name}.json`;

test('it shows every field of the fixtures that it is given', async () => {
  const file = golden('c_rmt_full_bptt');
  const { code, stdout, stderr } = await memgrad(['parity', file, golden('h_eval_rmt')]);
  assert.is(code, 0, stderr);
  assert.match(stdout, /forwards\[0\]\.logits .* ok/);
  assert.match(stdout, /grads\.mem_tokens .* ok/);
  assert.match(stdout, /teacher_forced_argmax .* ok/);
  assert.match(stdout, /All 50 fields agree to 1e-7/);
  const rows = events((await memgrad(['parity', file, '--json'])).stdout);
  assert.is(rows.length, 43);
  for (const row of rows) {
    assert.equal(Object.keys(row), ['file', 'field', 'maxAbs', 'maxRel', 'pass']);
    assert.is(row.file, file);
    assert.ok(row.pass === true && (row.maxRel as number) < 1e-7);
  }
});

test('it exits with 1 for a difference, and with 2 for a file that it cannot use', async () => {
  const file = golden('a_transformer_baseline');
  const strict = await memgrad(['parity', file, '--tolerance', '1e-12']);
  assert.is(strict.code, 1);
  assert.match(strict.stdout, /DIFFERS/);
  assert.match(strict.stdout, /of 36 fields differ by more than 1e-12/);
  const wasm = ['parity', file, '--backend', 'wasm', '--json'];
  assert.is((await memgrad(wasm)).code, 0);
  const stricter = await memgrad([...wasm, '--tolerance', '1e-7']);
  assert.is(stricter.code, 1);
  assert.ok(events(stricter.stdout).some(({ pass }) => pass === false));

  const mixed = await memgrad([
    'parity',
    golden('units'),
    file,
    'no/such/file',
    '--tolerance',
    '0',
  ]);
  assert.is(mixed.code, 2, 'a file that cannot be used weighs more');
  assert.match(mixed.stdout, /2\s+files\s+could\s+not\s+be\s+used/);
  assert.match(mixed.stdout, /DIFFERS/, 'the others are compared all the same');
  assert.is(mixed.stderr.trim().split('\n').length, 2);
  assert.match(mixed.stderr, /^error: tests\/goldens\/units.json has none of the fields/);
  assert.match(mixed.stderr, /no\/such\/file.*there is no such file/);
  assert.is((await memgrad(['parity'])).code, 2);
});

test.run();
