import { readdir, readFile } from 'node:fs/promises';
import { join, sep } from 'node:path';

/**
 * Returns the licence texts of the bundled packages, found by the `inputs` of esbuild's metafile,
 * relative to `root`.
 */
export async function bundledLicences(root, inputs) {
  const folders = new Set();
  for (const input of inputs) {
    const found = /^(?:text:)?(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(
      input.split(sep).join('/'),
    );
    if (found) folders.add(found[1]);
  }
  const sections = [];
  for (const folder of [...folders].sort()) {
    const { name, version, license } = JSON.parse(
      await readFile(join(root, folder, 'package.json'), 'utf8'),
    );
    const file = (await readdir(join(root, folder))).find((f) => /^licen[cs]e/i.test(f));
    const text = file ? await readFile(join(root, folder, file), 'utf8') : '';
    sections.push(`${name} ${version} (${license})\n\n${text.trim()}\n`);
  }
  return sections.join(`\n${'-'.repeat(80)}\n\n`);
}
