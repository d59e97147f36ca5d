// Writes the table of errors in docs/backends.md, measured by the conformance suite on the GPU
// backends.
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const { status } = spawnSync(process.execPath, [join(here, 'test.mjs'), 'gpu-conformance'], {
  stdio: 'inherit',
  env: { ...process.env, MEMGRAD_WRITE_ERRORS: '1' },
});
process.exit(status ?? 1);
