/** Bundles as an application would make them. */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build, type Plugin } from 'esbuild';

/** A file of a bundle. */
export interface Chunk {
  /** `entry.js`, or the name of a chunk that it loads. */
  readonly name: string;
  readonly text: string;
  readonly bytes: Uint8Array;
}

/** The minified bundle of an ES module, `source`, that imports from './src/...'. */
export async function bundle(source: string): Promise<Chunk[]> {
  // Test files are bundles themselves; the plugin has to stay where it finds the kernels.
  const plugin = pathToFileURL(resolve('scripts/kernels.mjs')).href;
  const { wasmKernels }: { wasmKernels: Plugin } = await import(plugin);
  const { outputFiles } = await build({
    stdin: { contents: source, resolveDir: process.cwd(), sourcefile: 'entry.ts', loader: 'ts' },
    entryNames: 'entry',
    outdir: 'bundle',
    bundle: true,
    splitting: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    platform: 'browser',
    plugins: [wasmKernels],
    write: false,
    logLevel: 'error',
  });
  return outputFiles.map(({ path, text, contents }) => ({
    name: path.slice(path.lastIndexOf('/') + 1),
    text,
    bytes: contents,
  }));
}
