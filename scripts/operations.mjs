// Writes docs/operations.md: every operation, how it is called, and the first sentence of its
// docstring.
//   node scripts/operations.mjs           writes the page
//   node scripts/operations.mjs --check   fails if the page says something else
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const root = resolve(fileURLToPath(new URL('..', import.meta.url)));
const page = join(root, 'docs', 'operations.md');

/** The headings, and the categories of the table under each. */
const sections = [
  ['Elementwise', ['elementwise']],
  ['Comparisons, selection, conversion', ['comparison']],
  ['Reductions', ['reduction']],
  ['Products', ['product']],
  ['Shape', ['shape', 'list']],
  ['Rows by index, and order', ['indexing']],
  ['Networks and losses', ['network']],
  ['Making tensors', ['maker']],
  ['Random numbers', ['random']],
  ['Gradients on their way', ['view', 'hook']],
  ['Optimisers', ['optimiser']],
];

/** Functions that return tensors, and are no operations of the table. */
const others = {
  maker: ['tensor', 'full', 'zeros', 'ones', 'arange', 'linspace'],
  random: ['uniform', 'normal'],
};

/** Returns the text of the page. */
function operationsPage() {
  const index = join(root, 'src', 'autograd', 'index.ts');
  const table = join(root, 'src', 'autograd', 'operations', 'table.ts');
  const options = {
    strict: true,
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.NodeNext,
    lib: ['lib.es2022.d.ts'], // parsing the types of browsers and of Node would take a second
    types: [],
  };
  const program = ts.createProgram([index, table], options);
  const checker = program.getTypeChecker();
  const exported = (file) =>
    checker.getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(file)));
  const categories = exported(table).find(({ name }) => name === 'categories');
  const categoryOf = Object.fromEntries(
    checker
      .getTypeOfSymbol(categories)
      .getProperties()
      .map((property) => [property.name, checker.getTypeOfSymbol(property).value]),
  );
  for (const [category, names] of Object.entries(others)) {
    for (const name of names) categoryOf[name] = category;
  }
  const symbols = new Map(exported(index).map((symbol) => [symbol.name, symbol]));

  const lines = sections.flatMap(([title, wanted]) => {
    const names = Object.keys(categoryOf).filter((name) => wanted.includes(categoryOf[name]));
    const rows = names.sort().map((name) => {
      const symbol = symbols.get(name);
      const original =
        symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
      return `| \`${callOf(name, original)}\` | ${summaryOf(name, original)} |`;
    });
    return ['', `## ${title}`, '', '| call | |', '|---|---|', ...rows];
  });

  /** The parameters by name, with the names of the options. */
  function callOf(name, symbol) {
    const signatures = checker.getTypeOfSymbol(symbol).getCallSignatures();
    const longest = signatures.toSorted((a, b) => b.parameters.length - a.parameters.length)[0];
    const parameters = longest.parameters.flatMap((parameter) => {
      const type = checker.getTypeOfSymbol(parameter);
      if (parameter.name === 'args') {
        return type.target.labeledElementDeclarations.map(({ name: { text } }) => text);
      }
      if (parameter.name === 'options') {
        const names = checker.getPropertiesOfType(checker.getNonNullableType(type));
        return `{ ${names.map((property) => property.name).join(', ')} }`;
      }
      const isOptional =
        checker.isOptionalParameter(parameter.valueDeclaration) ||
        signatures.some(({ parameters }) =>
          parameters.every(({ name }) => name !== parameter.name),
        );
      return parameter.name + (isOptional ? '?' : '');
    });
    return `${name}(${parameters.join(', ')})`;
  }

  function summaryOf(name, symbol) {
    const text = ts
      .displayPartsToString(symbol.getDocumentationComment(checker))
      .replace(/\s+/g, ' ');
    const [sentence] = /^.*?(?<!\b(?:al|e\.g|i\.e))[.:](?= [A-Z`]|$)/.exec(text) ?? [];
    if (!sentence) throw new Error(`${name}: its docstring has no first sentence`);
    return sentence.replaceAll('|', '\\|').replace(/[.:]$/, '');
  }

  return `<!-- Written by scripts/operations.mjs from the docstrings. Don't edit it: npm run operations -->
# Operations

All ${Object.keys(categoryOf).length} functions that compute or make tensors, from \`memgrad\`, with the first sentence of their documentation. What has a question mark or is in braces, the options, may be left out. An editor shows the whole of it from the package's types: shapes, dtypes, options, errors, sources; in a checkout, \`npm run docs\` writes it. Every function whose first argument is a tensor is also a method, if you import \`memgrad/methods\`.

The names of PyTorch, TensorFlow.js and JAX for them are in [coming-from.md](coming-from.md), derivatives too. [numbers.md](numbers.md) says what happens at overflow, NaN and axes of length 0.
${lines.join('\n')}
`;
}

const text = operationsPage();
if (!process.argv.includes('--check')) writeFileSync(page, text);
else if (readFileSync(page, 'utf8') !== text) {
  console.error('docs/operations.md differs from the docstrings; run npm run operations');
  process.exit(1);
}
