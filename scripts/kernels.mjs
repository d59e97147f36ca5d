// An esbuild plugin that compiles src/backends/wasm/assembly to WebAssembly, for one thread and for
// several, and embeds the bytes wherever `kernels.wasm` or `kernels-threads.wasm` is imported, as text with mostly one character per byte. A gzipped app is
// then 1.3 kB smaller than with hexadecimal digits, and 4 kB smaller than with base64, whose
// characters don't align with bytes, which hides repetitions from gzip.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const sources = join(root, 'src', 'backends', 'wasm', 'assembly');
const tableFile = join(root, 'src', 'backends', 'wasm', 'exports.ts');
const floatsFile = join(root, 'src', 'backends', 'wasm', 'float-parameters.ts');
const options = [
  '-O3s',
  '--noAssert',
  '--runtime=stub',
  '--importMemory',
  '--maximumMemory=65536',
  '--enable=simd',
  '--enable=nontrapping-f2i',
  '--use=abort=',
  '--disableWarning=112', // v128 in functions of lib, which it takes for exports
];

/** The options of the module that the threads of a backend share. */
const threadOptions = ['--enable=threads', '--sharedMemory'];
/** The file that only this module exports. */
const threadEntry = 'threads.ts';

/** Whether a file's exports are exported by the module; files in `lib` are only imported. */
const isEntry = (name) => !name.startsWith('lib/') && name !== threadEntry;

/**
 * Compiles the kernels unless the same sources were compiled before, and updates
 * src/backends/wasm/exports.ts and float-parameters.ts. Returns the compiled file and the names of the sources.
 */
export async function compileKernels(threads = false) {
  const names = (await readdir(sources, { recursive: true }))
    .map((name) => name.split(sep).join('/'))
    .filter((name) => name.endsWith('.ts'))
    .sort();
  const texts = await Promise.all(names.map((name) => readFile(join(sources, name))));
  await update(tableFile, tableOf(names, texts.map(String)));
  await update(floatsFile, floatsOf(names, texts.map(String)));
  const all = threads ? [...options, ...threadOptions] : options;
  const hash = createHash('sha256').update(all.join());
  for (const text of texts) hash.update(text);
  const output = join(root, 'build', `kernels-${hash.digest('hex').slice(0, 16)}.wasm`);
  if (existsSync(output)) return { output, names };

  await mkdir(dirname(output), { recursive: true });
  const asc = join(
    dirname(createRequire(import.meta.url).resolve('assemblyscript/package.json')),
    'bin',
    'asc.js',
  );
  const compiler = spawn(
    process.execPath,
    [
      asc,
      ...names
        .filter((name) => isEntry(name) || (threads && name === threadEntry))
        .map((name) => join(sources, name)),
      `--outFile=${output}`,
      ...all,
    ],
    { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] },
  );
  const [status] = await once(compiler, 'exit');
  if (status !== 0) throw new Error('the kernels did not compile');
  return { output, names };
}

/** Writes a generated file if its text has changed. */
async function update(file, text) {
  const known = await readFile(file, 'utf8').catch(() => '');
  if (known !== text) await writeFile(file, text);
}

/**
 * Generates the text of src/backends/wasm/float-parameters.ts: the positions of the parameters that
 * are floats, and so no addresses.
 */
function floatsOf(names, texts) {
  const lines = names.flatMap((name, i) =>
    isEntry(name)
      ? [...texts[i].matchAll(/^export function (\w+)\(([^)]*)\)/gm)].flatMap(
          ([, kernel, list]) => {
            const types = list.split(',').map((parameter) => parameter.split(':')[1]?.trim());
            const floats = [...types.keys()].filter((at) => /^f(32|64)$/.test(types[at]));
            return floats.length > 0 ? [`  ${kernel}: [${floats.join(', ')}],\n`] : [];
          },
        )
      : [],
  );
  return `// Written by scripts/kernels.mjs from the AssemblyScript files in ./assembly. Don't edit it.
import type { ExportName } from './exports.js';

/** The positions of the parameters that are floats; all others are addresses and integers. */
export const floatParameters: Partial<Record<ExportName, readonly number[]>> = {
${lines.sort().join('')}};
`;
}

/**
 * Generates the text of src/backends/wasm/exports.ts, which lists the exports of the AssemblyScript
 * files.
 */
function tableOf(names, texts) {
  const found = names.flatMap((name, i) =>
    isEntry(name)
      ? [...texts[i].matchAll(/^export function (\w+)/gm)].map(([, kernel]) => ({
          kernel,
          isFused: name.startsWith('kernels/') && !kernel.endsWith('Scratch'),
        }))
      : [],
  );
  /** Formats a list as the formatter does. */
  const list = (entries) => {
    const quoted = entries.map(({ kernel }) => `'${kernel}'`).sort();
    const line = `[${quoted.join(', ')}]`;
    return line.length < 70 ? line : `[\n${quoted.map((kernel) => `  ${kernel},\n`).join('')}]`;
  };
  const enums = texts.flatMap((text) => [...text.matchAll(/^enum (\w+) \{([^}]*)\}/gm)]);
  const numbers = enums.map(([, name, members]) => {
    const lines = members.match(/\w+/g).map((member, number) => `  ${member}: ${number},\n`);
    return `/** The numbers by which the compiled code identifies functions of \`${name.toLowerCase()}\`. */
export const ${name.toLowerCase()}Numbers = {\n${lines.join('')}} as const;\n`;
  });
  return `// Written by scripts/kernels.mjs from the AssemblyScript files in ./assembly. Don't edit it.

/** The functions that the compiled module exports. */
export type ExportName =
${found
  .map(({ kernel }) => `  | '${kernel}'`)
  .sort()
  .join('\n')};

/** The fused kernels (assembly/kernels). Arguments: input addresses, numbers, result addresses. */
export const fusedNames = ${list(found.filter(({ isFused }) => isFused))} as const;

${numbers.join('\n')}`;
}

// The printable characters from % on each encode one of 90 bytes: without a prefix -4 to 85, the
// most frequent ones, after $ the next 90, and after # the rest.
const [FIRST, LEAST, MARKED] = ['%'.charCodeAt(0), -4, 90];

function textOf(bytes) {
  const codes = [...bytes].flatMap((byte) => {
    const value = (byte - LEAST) % 256;
    const mark = Math.floor(value / MARKED);
    return [...(mark > 0 ? [FIRST - mark] : []), FIRST + (value % MARKED)];
  });
  return Buffer.from(codes).toString('latin1');
}

/** The decoder, as source text. Uint8Array reduces numbers modulo 256. */
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
    api.onLoad({ filter: /wasm[\\/]kernels(-threads)?\.wasm$/ }, async ({ path }) => {
      const { output, names } = await compileKernels(path.endsWith('-threads.wasm'));
      const text = JSON.stringify(textOf(await readFile(output)));
      return {
        contents: `${bytesOf}\nexport default /* @__PURE__ */ bytesOf(${text});`,
        loader: 'js',
        watchFiles: names.map((name) => join(sources, name)),
      };
    });
    api.onResolve({ filter: /\/kernels(-threads)?\.wasm$/ }, ({ path, resolveDir }) => ({
      path: join(resolveDir, path),
    }));
  },
};
