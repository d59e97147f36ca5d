/** The conformance suite on `webgl`, in a browser. ../backends/webgpu.test.ts runs it on `webgpu`. */
import { readFileSync, writeFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  type ConformanceOptions,
  type ConformanceRow,
  operationNames,
} from '../../src/testing/index.js';
import { dawn } from '../backends/dawn.js';
import { checkConformance, composed } from '../backends/gpu-edges.js';
import { bundle, type Chunk } from '../bundle.js';
import { visit, WITH_EVAL } from './browser.js';
import { errorTable } from './errors.js';
import { conformance } from './gpu.js';

const test = suite('gpu conformance');
const page = 'docs/backends.md';

let chunks: readonly Chunk[];
test.before(async () => {
  chunks = await bundle(`
    import { conformance } from './tests/browser/gpu.ts';
    export async function main(runs) {
      const rows = [];
      for (const options of runs) rows.push(...(await conformance({ name: 'webgl', ...options })));
      return rows;
    }
  `);
});

async function onPage(runs: readonly ConformanceOptions[]): Promise<unknown> {
  const { result, problems } = await visit(chunks, WITH_EVAL, runs, { gpu: true, minutes: 9 });
  assert.equal(problems, []);
  return result;
}

let rows: ConformanceRow[] = [];
test('webgl: every operation and every gradient is within its tolerance', async () => {
  // A kernel is compiled for each combination of shapes, a tenth of a second each on SwiftShader.
  // So the short mode runs one pattern of each operation, and more of those that are not composed
  // of others.
  const own = operationNames.filter((name) => !composed.includes(name));
  const isWhole = process.env.MEMGRAD_LONG || process.env.MEMGRAD_WRITE_ERRORS;
  const runs = isWhole ? [{}] : [{ every: 1000 }, { every: 12, operations: own }];
  rows = (await onPage(runs)) as ConformanceRow[];
  checkConformance(rows);
});

test(`${page} has the errors of every operation`, async () => {
  const text = readFileSync(page, 'utf8');
  const [before, table, after] = text.split(/(?<=<!-- errors -->\n)|(?=<!-- end of errors -->)/);
  if (process.env.MEMGRAD_WRITE_ERRORS) {
    await dawn();
    const webgpu = await conformance({ name: 'webgpu' });
    checkConformance(webgpu);
    writeFileSync(page, before + errorTable({ webgl: rows, webgpu }) + after);
    return;
  }
  for (const operation of operationNames) assert.match(table, `| ${operation} |`);
});

test.run();
