/** The backends by name. A new backend needs a folder of its own and a line in the table. */
import { MemgradError } from '../errors.js';
import { checkOptions, type OptionNames, refuseName } from '../options.js';
import type { Backend } from './backend.js';
import { createWasmBackend } from './wasm/index.js';

export type * from './backend.js';
export type { WebGLBackend } from './webgl/index.js';
export type { WebGPUBackend } from './webgpu/index.js';

/** Options of `loadBackend`. */
export interface BackendOptions {
  /** For `wasm`: how many threads compute, or `'auto'` (`WasmOptions`). Default: 1. */
  threads?: number | 'auto';
  /**
   * For `webgl`: the package gpu.js, `await import('gpu.js')`, which a bundled app must pass.
   * Default: `gpu.js` imported by name, which in a browser needs an import map.
   */
  gpu?: object;
  /**
   * For `webgpu`: a GPUDevice of the app's own, on which the backend computes and which it doesn't
   * close. Default: a new device of this machine's GPU, in Node through the package webgpu.
   */
  device?: object;
}

const loaders = {
  wasm: async ({ threads }: BackendOptions): Promise<Backend> => createWasmBackend({ threads }),
  // Loaded on demand: it builds functions from text, which a strict content-security policy
  // forbids.
  cpu: async (): Promise<Backend> => (await import('./cpu/index.js')).createCpuBackend(),
  // Loaded on demand for the same reason, and because gpu.js is large.
  webgl: async ({ gpu }: BackendOptions): Promise<Backend> =>
    (await import('./webgl/index.js')).loadWebGL(gpu),
  webgpu: async ({ device }: BackendOptions): Promise<Backend> =>
    (await import('./webgpu/index.js')).loadWebGPU(device),
} satisfies Record<string, (options: BackendOptions) => Promise<Backend>>;

/** The name of a backend of this version. */
export type BackendName = keyof typeof loaders;
/** The names that `loadBackend` takes, the default first. */
export const backendNames = Object.keys(loaders) as BackendName[];

const optionNames: OptionNames<BackendOptions> = { threads: 1, gpu: 1, device: 1 };
/** The backend to which each option belongs. */
const belongsTo = { threads: 'wasm', gpu: 'webgl', device: 'webgpu' } satisfies Record<
  keyof BackendOptions,
  BackendName
>;

/**
 * Loads the backend `name`. Throws `MemgradError` for an unknown name, for an option of another
 * backend, or if the backend can't run here.
 */
export async function loadBackend(name: BackendName, options?: BackendOptions): Promise<Backend> {
  if (!backendNames.includes(name as BackendName)) {
    refuseName('loadBackend', 'backend', name, backendNames);
  }
  checkOptions('loadBackend', options, optionNames);
  for (const [option, owner] of Object.entries(belongsTo)) {
    if (owner === name || options?.[option as keyof BackendOptions] === undefined) continue;
    throw new MemgradError(
      `loadBackend: the backend '${name}' has no option "${option}"; leave it out, or load '${owner}'.`,
    );
  }
  return loaders[name](options ?? {});
}

/** Whether one backend works on this machine, as `backends` reports it. */
export interface BackendReport {
  readonly name: BackendName;
  readonly available: boolean;
  /** Why it isn't available, and what to do instead. */
  readonly why?: string;
}

/**
 * Tries to load each backend with `options`; reports which work on this machine, and why others
 * don't.
 */
export async function backends(options?: BackendOptions): Promise<BackendReport[]> {
  checkOptions('backends', options, optionNames);
  return Promise.all(
    backendNames.map(async (name) => {
      try {
        (await loaders[name](options ?? {})).close?.();
        return { name, available: true };
      } catch (error) {
        return { name, available: false, why: error instanceof Error ? error.message : `${error}` };
      }
    }),
  );
}
