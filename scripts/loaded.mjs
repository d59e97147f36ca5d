/** Measures what a page loads of an app before anything runs. */
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

/**
 * Bundles, minifies and compresses the app whose code is `source`, resolving its imports from
 * `folder`. Returns the gzipped bytes of the entry and everything that it imports statically, and
 * the names of the files that load later. size-limit bundles in one piece, which would count the
 * latter too. Modules in `external` may be missing.
 */
export async function loaded(source, folder, { external } = {}) {
  const { metafile, outputFiles } = await build({
    stdin: { contents: source, resolveDir: folder, sourcefile: 'app.js' },
    absWorkingDir: folder,
    outdir: 'app',
    entryNames: 'app',
    bundle: true,
    splitting: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    external,
    metafile: true,
    write: false,
    logLevel: 'error',
  });
  const first = new Set();
  const add = (name) => {
    if (first.has(name)) return;
    first.add(name);
    for (const { path, kind } of metafile.outputs[name]?.imports ?? []) {
      if (kind === 'import-statement') add(path);
    }
  };
  add('app/app.js');
  const gzipped = outputFiles
    .filter(({ path }) => first.has(`app/${path.split(/[\\/]/).at(-1)}`))
    .reduce((sum, { contents }) => sum + compressed(contents), 0);
  return { gzipped, later: Object.keys(metafile.outputs).filter((name) => !first.has(name)) };
}

/** The number of bytes after gzip, as a server sends them. */
export function compressed(bytes) {
  return gzipSync(bytes, { level: 9 }).length;
}
