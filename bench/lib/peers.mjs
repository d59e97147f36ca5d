/** Finds and starts the engines on this machine. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Peer } from './peer.mjs';

const engines = join(dirname(dirname(fileURLToPath(import.meta.url))), 'engines');
const oneThread = {
  OMP_NUM_THREADS: '1',
  OPENBLAS_NUM_THREADS: '1',
  MKL_NUM_THREADS: '1',
};

/**
 * Starts the engines whose ids start with one of `wanted` (all if undefined): memgrad on each
 * backend first, then those that are installed. Prints which are missing. With `against`, a commit
 * that `buildCommit` built, starts memgrad of both commits and nothing else.
 */
export function startPeers(backends, wanted, against) {
  const asked = (id) => !wanted || wanted.some((name) => id.startsWith(name));
  const node = (file, ...args) => [process.execPath, [join(engines, file), ...args]];
  const peers = backends.map((name) => new Peer(`memgrad ${name}`, ...node('memgrad.mjs', name)));
  if (against) {
    const file = join(against.folder, 'bench', 'engines', 'memgrad.mjs');
    for (const name of backends) {
      peers.push(new Peer(`${name} at ${against.hash}`, process.execPath, [file, name]));
    }
    return peers;
  }
  if (asked('tfjs')) peers.push(new Peer('TensorFlow.js wasm', ...node('tfjs.mjs')));
  if (asked('jax')) peers.push(new Peer('jax-js wasm', ...node('jax.mjs')));
  if (asked('torch')) {
    const { found, missing } = torchVariants();
    for (const { name, python, env } of found) {
      peers.push(new Peer(name, python, [join(engines, 'torch_engine.py')], env));
    }
    for (const name of missing) console.log(`bench: ${name} is missing here.`);
  }
  return peers;
}

/**
 * Finds PyTorch in the first Python that has it, once for each BLAS library that Debian installs
 * side by side.
 */
function torchVariants() {
  const probe = (python, env) => {
    const run = spawnSync(python, [join(engines, 'torch_engine.py'), '--probe'], {
      env: { ...process.env, ...oneThread, ...env },
      encoding: 'utf8',
    });
    return run.status === 0 ? JSON.parse(run.stdout) : undefined;
  };
  const python = ['/usr/bin/python3', 'python3'].find((command) => probe(command, {}));
  if (!python) return { found: [], missing: ['PyTorch (no python3 that can import torch)'] };
  const wanted = {
    OpenBLAS: blasFolders('openblas-pthread'),
    'reference BLAS': blasFolders('blas'),
  };
  const found = [];
  for (const [blas, folders] of Object.entries(wanted)) {
    const env = { ...oneThread, LD_LIBRARY_PATH: folders.join(':') };
    const seen = folders.length > 0 ? probe(python, env) : undefined;
    if (seen?.blas === blas) found.push({ name: `PyTorch ${seen.version}, ${blas}`, python, env });
  }
  if (found.length === 0) {
    const seen = probe(python, {});
    found.push({ name: `PyTorch ${seen.version}, ${seen.blas}`, python, env: oneThread });
  }
  const missing = Object.keys(wanted).filter(
    (blas) => !found.some(({ name }) => name.endsWith(blas)),
  );
  return { found, missing: missing.map((blas) => `PyTorch with ${blas}`) };
}

/** Debian's folders of this BLAS and of its LAPACK; none if it isn't installed. */
function blasFolders(name) {
  const base = '/usr/lib';
  if (!existsSync(base)) return [];
  const folder = readdirSync(base)
    .map((triplet) => join(base, triplet, name))
    .find((path) => existsSync(join(path, 'libblas.so.3')));
  if (!folder) return [];
  return [folder, join(dirname(folder), 'lapack')].filter((path) => existsSync(path));
}
