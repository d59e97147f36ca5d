/** The benches that need no other engine run. */
import { spawnSync } from 'node:child_process';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('bench');

const benches: [args: string, printed: RegExp][] = [
  ['step --workload small --engine memgrad --quick', /memgrad wasm .* 1\.00 \(1\.00\)/],
  ['profile --workload small --quick', /inside kernels/],
];

for (const [args, printed] of benches) {
  test(args, () => {
    const command = ['bench/main.mjs', ...args.split(' '), '--no-build'];
    const { status, stdout, stderr } = spawnSync(process.execPath, command, { encoding: 'utf8' });
    assert.is(status, 0, stderr);
    assert.match(stdout, printed);
  });
}

test.run();
