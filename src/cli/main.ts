/**
 * The entry point for Node. It imports the command dynamically, since a process that may open few
 * files cannot load all of its modules.
 */
const codes: readonly unknown[] = ['EMFILE', 'ENFILE'];

try {
  await import('./program.js');
} catch (error) {
  if (!codes.includes((error as NodeJS.ErrnoException)?.code)) throw error;
  console.error('error: Cannot start: too many files are open; allow more (ulimit -n 256).');
  process.exitCode = 2;
}
