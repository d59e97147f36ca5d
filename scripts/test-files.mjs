// Runs bundled test files with uvu in this process; scripts/test.mjs starts it.
//   node scripts/test-files.mjs NAME...     names relative to build/tests, without an ending
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

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

globalThis.UVU_DEFER = 1; // uvu runs what `exec` asks for, not what it has loaded
const { exec } = await import('uvu');
let failed = false;
for (const name of process.argv.slice(2)) {
  console.log(`\n${name}.ts`); // by this line scripts/test.mjs finds what the file printed
  globalThis.UVU_QUEUE = [[null]];
  await import(pathToFileURL(join(bundles, `${name}.mjs`)).href);
  await exec();
  failed ||= process.exitCode !== 0;
}
for (const browser of globalThis.browsers?.values() ?? []) await browser.close();
finished = true;
if (failed) process.exitCode = 1;
