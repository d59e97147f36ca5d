/** The wasm backend against the cpu backend, and its memory. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createWasmBackend } from '../../src/backends/wasm/index.js';
import { runConformance } from '../../src/testing/index.js';

test('every operation, values and gradients, is within its tolerance', async () => {
  const rows = await runConformance(createWasmBackend());
  const failed = rows.filter(({ passed }) => !passed);
  assert.equal(failed, []);
  assert.ok(rows.length > 500);
});

test.run();
