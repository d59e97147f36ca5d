/** Builds another commit of memgrad, to time it in one run with this one. */
import { spawnSync } from 'node:child_process';
import { existsSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';

/** Returns the folder of `commit`, checked out below build/ and built; ends the benchmark if it can't be. */
export function buildCommit(root, commit) {
  const run = (command, args, cwd) => {
    const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8' });
    if (status === 0) return stdout.trim();
    console.error(`bench: '${command} ${args.join(' ')}' failed: ${stderr.trim()}`);
    process.exit(1);
  };
  const hash = run('git', ['rev-parse', '--short', `${commit}^{commit}`], root);
  const folder = join(root, 'build', `against-${hash}`);
  if (!existsSync(join(folder, 'dist', 'index.js'))) {
    if (!existsSync(folder)) run('git', ['worktree', 'add', '--detach', folder, hash], root);
    if (!existsSync(join(folder, 'node_modules'))) {
      symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'), 'junction');
    }
    console.log(`bench: building ${hash} in build/against-${hash} (once).`);
    run(process.execPath, ['scripts/build.mjs', '--no-types'], folder);
  }
  return { folder, hash };
}
