/** The API reference: `npm run docs` writes it to build/docs. A missing docstring is an error. */
import { entryPoints } from './scripts/entry-points.mjs';

/** @type {Partial<import('typedoc').TypeDocOptions>} */
export default {
  name: 'memgrad',
  entryPoints,
  tsconfig: 'tsconfig.build.json',
  plugin: ['./scripts/typedoc-methods.mjs'],
  out: 'build/docs',
  readme: 'none', // its links lead into the repository
  disableSources: true, // these too
  excludeExternals: true,
  excludeInternal: true,
  excludePrivate: true,
  // Whatever is exported, and what can be called of it. A property may speak for itself.
  requiredToBeDocumented: [
    'Module',
    'Class',
    'Interface',
    'TypeAlias',
    'Enum',
    'Function',
    'Variable',
    'Method',
    'Accessor',
  ],
  // Types derived from a table name the table, which is nobody's to use.
  validation: { notDocumented: true, notExported: false, invalidLink: true },
  treatWarningsAsErrors: true,
};
