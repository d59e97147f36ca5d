/** The source of each module that package.json exports: src/models/index.ts for ./models. */
import { readFileSync } from 'node:fs';

const { exports } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));

export const entryPoints = Object.values(exports)
  .filter((entry) => entry.default?.endsWith('.js'))
  .map((entry) => entry.default.replace('./dist/', 'src/').replace(/\.js$/, '.ts'));
