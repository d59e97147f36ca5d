// An esbuild plugin that embeds files as text: import text from './page.html?text'.
import { readFile } from 'node:fs/promises';
import { relative } from 'node:path';

/** @type {import('esbuild').Plugin} */
export const texts = {
  name: 'texts',
  setup(api) {
    api.onResolve({ filter: /\?text$/ }, async ({ path, resolveDir, kind }) => {
      const found = await api.resolve(path.replace(/\?text$/, ''), { resolveDir, kind });
      return found.errors.length > 0
        ? found
        : {
            path: relative('.', found.path),
            namespace: 'text',
          };
    });
    api.onLoad({ filter: /.*/, namespace: 'text' }, async ({ path }) => ({
      contents: await readFile(path, 'utf8'),
      loader: 'text',
    }));
  },
};
