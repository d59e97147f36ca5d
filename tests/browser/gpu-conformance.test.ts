/** The conformance suite on `webgl`, in a browser, and on `webgpu`, in Node where it runs there; SwiftShader computes both where there is no GPU. */
import { readFileSync, writeFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type ConformanceRow, operationNames } from '../../src/testing/index.js';
import { onWebGPU } from '../backends/gpu-dawn.js';
import { bundle, type Chunk } from '../bundle.js';
import { visit, WITH_EVAL } from './browser.js';
import { errorTable } from './errors.js';

const test = suite('gpu conformance');
const names = ['webgl', 'webgpu'] as const;
const page = 'docs/backends.md';

let chunks: readonly Chunk[];
test.before(async () => {
  chunks = await bundle(`export { conformance as main } from './tests/browser/gpu.ts';`);
});

async function onPage(argument: unknown): Promise<unknown> {
  const { result, problems } = await visit(chunks, WITH_EVAL, argument, { gpu: true, minutes: 9 });
  assert.equal(problems, []);
  return result;
}

const measured: Record<string, ConformanceRow[]> = {};
for (const name of names) {
  test(`${name}: every operation and every gradient is within its tolerance`, async () => {
    const run = name === 'webgpu' ? await onWebGPU(chunks) : onPage;
    const rows = (await run({ name })) as ConformanceRow[];
    assert.equal(
      rows.filter(({ passed }) => !passed),
      [],
    );
    for (const what of ['forward', 'gradient']) assert.ok(rows.some((row) => row.what === what));
    for (const operation of operationNames) {
      assert.ok(
        rows.some((row) => row.operation === operation),
        operation,
      );
    }
    measured[name] = rows;
  });
}

test('webgpu in the browser: some operations of every family are within their tolerances', async () => {
  const operations = ['exp', 'mul', 'sum', 'argmax', 'matmul', 'softmax', 'gather', 'concat'];
  const rows = (await onPage({ name: 'webgpu', operations })) as ConformanceRow[];
  assert.equal(
    rows.filter(({ passed }) => !passed),
    [],
  );
  assert.ok(rows.length > 30, `${rows.length} rows`);
});

test(`${page} has the errors of every operation`, () => {
  const text = readFileSync(page, 'utf8');
  const [before, table, after] = text.split(/(?<=<!-- errors -->\n)|(?=<!-- end of errors -->)/);
  if (process.env.MEMGRAD_WRITE_ERRORS) {
    assert.equal(Object.keys(measured), names, 'both were measured');
    writeFileSync(page, before + errorTable(measured) + after);
    return;
  }
  for (const operation of operationNames) assert.match(table, `| ${operation} |`);
});

test.run();
