// Runs bundled test files with uvu in this process; scripts/test.mjs starts it.
//   node scripts/test-files.mjs NAME...     names relative to build/tests, without an ending
import { dirname, join, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const bundles = resolve(dirname(fileURLToPath(import.meta.url)), '..', 'build', 'tests');

// A test that calls process.exit(0), or never settles, must not pass.
let finished = false;
process.on('exit', (code) => {
  if (finished) return;
  console.error('the tests did not run to their end');
  process.exitCode = code || 1;
});

// Tests count live buffers, so none may be collected meanwhile; tests/autograd/leaks.test.ts tests
// collection in processes of its own. The class can't be missing, since Node constructs one when it
// loads `fetch`.
globalThis.FinalizationRegistry = class {
  register() {}
  unregister() {}
};

const uvu = await import('uvu/run');
// uvu imports 'file:///' + file: without the leading slash, and with special characters escaped.
const suites = process.argv.slice(2).map((name) => ({
  name: `${name}.ts`,
  file: encodeURI(join(bundles, `${name}.mjs`).split(sep).join('/').replace(/^\//, '')),
}));
const empty = [];
function* watched() {
  for (const [i, suite] of suites.entries()) {
    yield suite; // uvu imports it before it requests the next one
    if (globalThis.UVU_QUEUE[i].length < 2) empty.push(suite.name);
  }
}
await uvu.run(watched());
for (const browser of globalThis.browsers?.values() ?? []) await browser.close();
finished = true;
if (empty.length > 0) {
  console.error(`no test in ${empty.join(', ')}: is a call of test.run() missing?`);
  process.exitCode = 1;
}
