// An esbuild plugin that compiles src/backends/wasm/assembly to WebAssembly and embeds the bytes
// wherever `kernels.wasm` is imported, as text with mostly one character for each byte. An app then
// compresses to 1.3 kB less than with hexadecimal digits, and 4 kB less than with base64, whose
// characters don't begin where bytes do, so that nothing repeats.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const sources = join(root, 'src', 'backends', 'wasm', 'assembly');
const options = [
  '-O3s',
  '--noAssert',
  '--runtime=stub',
  '--importMemory',
  // A whole 4 GiB, and not shared: what sharedModule in src/backends/wasm/module.ts looks for.
  '--maximumMemory=65536',
  '--enable=simd',
  '--enable=nontrapping-f2i',
  '--use=abort=',
];

/** Compiles the kernels, unless these very sources were compiled before; returns the file. */
export async function compileKernels() {
  const names = (await readdir(sources)).sort();
  const texts = await Promise.all(names.map((name) => readFile(join(sources, name))));
  const hash = createHash('sha256').update(options.join());
  for (const text of texts) hash.update(text);
  const output = join(root, 'build', `kernels-${hash.digest('hex').slice(0, 16)}.wasm`);
  if (existsSync(output)) return { output, names };

  await mkdir(dirname(output), { recursive: true });
  const asc = join(
    dirname(createRequire(import.meta.url).resolve('assemblyscript/package.json')),
    'bin',
    'asc.js',
  );
  const { status } = spawnSync(
    process.execPath,
    [asc, join(sources, 'index.ts'), `--outFile=${output}`, ...options],
    { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] },
  );
  if (status !== 0) throw new Error('the kernels did not compile');
  return { output, names };
}

// Of the printable characters, those from % on stand for 90 bytes each: without a mark before them
// for -4 to 85, the most frequent ones, with $ for the next 90, and with # for the rest.
const [FIRST, LEAST, MARKED] = ['%'.charCodeAt(0), -4, 90];

function textOf(bytes) {
  const codes = [...bytes].flatMap((byte) => {
    const value = (byte - LEAST) % 256;
    const mark = Math.floor(value / MARKED);
    return [...(mark > 0 ? [FIRST - mark] : []), FIRST + (value % MARKED)];
  });
  return Buffer.from(codes).toString('latin1');
}

/** The opposite, as source. The array of bytes takes numbers modulo 256. */
const bytesOf = `const bytesOf = (text) => {
  const bytes = [];
  let marked = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i) - ${FIRST};
    if (code < 0) marked = code * -${MARKED};
    else {
      bytes.push(marked + code + ${LEAST});
      marked = 0;
    }
  }
  return Uint8Array.from(bytes);
};`;

/** @type {import('esbuild').Plugin} */
export const wasmKernels = {
  name: 'wasm-kernels',
  setup(api) {
    api.onLoad({ filter: /wasm[\\/]kernels\.wasm$/ }, async () => {
      const { output, names } = await compileKernels();
      const text = JSON.stringify(textOf(await readFile(output)));
      return {
        contents: `${bytesOf}\nexport default /* @__PURE__ */ bytesOf(${text});`,
        loader: 'js',
        watchFiles: names.map((name) => join(sources, name)),
      };
    });
    api.onResolve({ filter: /\/kernels\.wasm$/ }, ({ path, resolveDir }) => ({
      path: join(resolveDir, path),
    }));
  },
};
