// Runs examples one after another in this process, each a module of its own in a folder of its own.
// tests/documentation.test.ts starts it with the folders as arguments, and receives a message for each:
// what it printed, and the error if it failed.
import { pathToFileURL } from 'node:url';

const stream = { stdout: process.stdout.write, stderr: process.stderr.write };

let failed;
process.on('uncaughtException', (error) => {
  failed ??= error;
  process.exitCode = 1; // it may come from an example that ended before
});
const root = process.cwd();
for (const folder of process.argv.slice(2)) {
  process.chdir(folder);
  const printed = { stdout: '', stderr: '' };
  for (const name of Object.keys(stream)) {
    process[name].write = (text) => {
      printed[name] += text;
      return true;
    };
  }
  failed = undefined;
  try {
    await import(pathToFileURL('example.mjs').href);
  } catch (error) {
    failed ??= error;
  }
  await new Promise((resolve) => setTimeout(resolve)); // for errors that nobody awaits
  for (const name of Object.keys(stream)) process[name].write = stream[name];
  process.chdir(root);
  process.send({ folder, ...printed, error: failed && String(failed?.stack ?? failed) });
}
process.disconnect(); // it ends if no example left anything running
