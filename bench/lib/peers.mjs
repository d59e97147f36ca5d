/** Finds and starts the engines on this machine. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Peer } from './peer.mjs';

const engines = join(dirname(dirname(fileURLToPath(import.meta.url))), 'engines');
const pythons = ['/usr/bin/python3', 'python3'];
const oneThread = {
  OMP_NUM_THREADS: '1',
  OPENBLAS_NUM_THREADS: '1',
  MKL_NUM_THREADS: '1',
};

const node = (file, ...args) => [process.execPath, [join(engines, file), ...args]];
const isAsked = (wanted, id) => !wanted || wanted.some((name) => id.startsWith(name));

/**
 * Starts the engines whose ids start with one of `wanted` (all if undefined): memgrad on each
 * backend first, then those that are installed. Prints which are missing. With `against`, a commit
 * that `buildCommit` built, starts memgrad of both commits and nothing else; with `threads`, memgrad
 * on wasm with each of these numbers of threads and nothing else.
 */
export function startPeers(backends, wanted, { against, threads } = {}) {
  if (threads) {
    return threads.map(
      (n) => new Peer(`memgrad wasm, threads: ${n}`, ...node('memgrad.mjs', 'wasm', `${n}`)),
    );
  }
  const peers = backends.map((name) => new Peer(`memgrad ${name}`, ...node('memgrad.mjs', name)));
  if (against) {
    const file = join(against.folder, 'bench', 'engines', 'memgrad.mjs');
    for (const name of backends) {
      peers.push(new Peer(`${name} at ${against.hash}`, process.execPath, [file, name]));
    }
    return peers;
  }
  if (isAsked(wanted, 'tfjs'))
    peers.push(new Peer('TensorFlow.js wasm', ...node('tfjs.mjs', 'wasm')));
  if (isAsked(wanted, 'jax')) peers.push(new Peer('jax-js wasm', ...node('jax.mjs', 'wasm')));
  if (isAsked(wanted, 'torch')) {
    const { found, missing } = torchVariants();
    for (const { name, python, env } of found) {
      peers.push(new Peer(name, python, [join(engines, 'torch_engine.py')], env));
    }
    for (const name of missing) console.log(`bench: ${name} is missing here.`);
  }
  return peers;
}

/**
 * Lists the engines that compute on the GPU: memgrad, then those of the others that are `wanted`
 * (all if undefined) and installed. Prints what is missing. `start` starts an engine's process.
 */
export function gpuEngines(wanted, { env, options }) {
  const engine = (name, command, args) => ({
    name,
    start: () => new Peer(name, command, args, env),
  });
  const found = [engine('memgrad webgpu', ...node('memgrad.mjs', 'webgpu', ...options))];
  if (isAsked(wanted, 'jax')) {
    found.push(engine('jax-js webgpu', ...node('jax.mjs', 'webgpu', ...options)));
  }
  if (isAsked(wanted, 'tfjs')) {
    found.push(engine('TensorFlow.js webgpu', ...node('tfjs.mjs', 'webgpu', ...options)));
  }
  if (isAsked(wanted, 'torch')) {
    const file = join(engines, 'torch_cuda.py');
    for (const python of pythons) {
      const { status, stdout } = spawnSync(python, [file, '--probe'], { encoding: 'utf8' });
      if (status !== 0) continue;
      const { version, device } = JSON.parse(stdout);
      console.log(`PyTorch ${version} on ${device}`);
      for (const way of ['eager', 'graph']) {
        found.push(engine(`PyTorch CUDA, ${way}`, python, [file, way]));
      }
      return found;
    }
    console.log('PyTorch is left out: no python3 here can import a PyTorch with CUDA.');
  }
  return found;
}

/** The process that times memgrad's kernels on this adapter. */
export function kernelTimer({ env, options }) {
  return new Peer('kernels of memgrad webgpu', ...node('kernels.mjs', ...options), env);
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
  const python = pythons.find((command) => probe(command, {}));
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
