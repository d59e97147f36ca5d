/** Bundles for benchmarks, and pages in the browser of the tests. */
import { build } from 'esbuild';

const root = new URL('../..', import.meta.url);

/** Bundles and imports the browser helper of the tests. */
export async function browserOfTests() {
  return import(await bundledForNode('tests/browser/browser.ts', 'bench-browser'));
}

/** Bundles a file of the repository for Node, with its packages outside; returns the path of the bundle. */
export async function bundledForNode(file, name) {
  const outfile = new URL(`build/${name}.mjs`, root).pathname;
  await build({
    entryPoints: [new URL(file, root).pathname],
    bundle: true,
    format: 'esm',
    platform: 'node',
    packages: 'external',
    outfile,
    logLevel: 'error',
  });
  return outfile;
}

/** The module that runs on a page (engines/page.mjs), bundled. */
export async function pageChunks() {
  const { outputFiles } = await bundled({
    entryPoints: [new URL('bench/engines/page.mjs', root).pathname],
  });
  return outputFiles.map(({ path, contents }) => ({
    name: path.slice(path.lastIndexOf('/') + 1),
    bytes: contents,
  }));
}

/** Bundles for a browser. */
export function bundled(options) {
  return build({
    ...options,
    entryNames: 'entry',
    outdir: 'bundle',
    bundle: true,
    splitting: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    platform: 'browser',
    metafile: true,
    write: false,
    logLevel: 'error',
  });
}

/** Closes the browsers that were started. */
export async function closeBrowsers() {
  for (const browser of globalThis.browsers?.values() ?? []) await browser.close();
}
