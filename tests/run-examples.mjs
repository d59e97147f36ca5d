// Runs examples one after another in this process, each a module of its own in a folder of its own.
// tests/documentation.test.ts starts it with the folders as arguments, and receives a message for each:
// what it printed, and the error if it failed.
const stream = { stdout: process.stdout.write, stderr: process.stderr.write };

let failed;
process.on('uncaughtException', (error) => {
  failed ??= error;
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
    await import(`${process.cwd()}/example.mjs`);
  } catch (error) {
    failed ??= error;
  }
  await new Promise((resolve) => setTimeout(resolve)); // for errors that nobody awaits
  for (const name of Object.keys(stream)) process[name].write = stream[name];
  process.chdir(root);
  process.send({ folder, ...printed, error: failed && String(failed?.stack ?? failed) });
}
process.disconnect(); // it ends if no example left anything running
