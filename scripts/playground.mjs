// Builds the playground into build/playground, a folder for any static host, and serves it here.
//   node scripts/playground.mjs          builds and serves
//   node scripts/playground.mjs --build  builds only
import { copyFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { wasmKernels } from './kernels.mjs';
import { bundledLicences } from './licences.mjs';
import { serveFiles } from './serve.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const folder = join(root, 'build', 'playground');
const FIRST_PORT = 8080;

await rm(folder, { recursive: true, force: true });
const { metafile } = await build({
  absWorkingDir: root,
  // tsconfig.json resolves 'memgrad' to the sources.
  entryPoints: {
    main: 'playground/src/main.tsx',
    worker: 'playground/src/worker.ts',
    style: 'playground/style.css',
  },
  outdir: folder,
  bundle: true,
  splitting: true,
  minify: true,
  format: 'esm',
  target: 'es2022',
  platform: 'browser',
  chunkNames: 'chunks/[name]-[hash]',
  plugins: [wasmKernels],
  metafile: true,
  logLevel: 'warning',
});
await writeFile(
  join(folder, 'THIRD_PARTY_LICENSES.txt'),
  await bundledLicences(root, Object.keys(metafile.inputs)),
);
await copyFile(join(root, 'playground', 'index.html'), join(folder, 'index.html'));

if (process.argv.includes('--build')) console.log(folder);
else {
  const fileOf = (path) => join(folder, path === '/' ? 'index.html' : path);
  const server = createServer(serveFiles(fileOf));
  server.on('listening', () => console.log(`http://localhost:${server.address().port}/`));
  server.on('error', (error) => {
    if (error.code !== 'EADDRINUSE') throw error;
    server.listen(0, '127.0.0.1'); // any free port
  });
  server.listen(FIRST_PORT, '127.0.0.1');
}
