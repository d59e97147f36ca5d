/** A table of the parameters of a model. */
import type { HasParameters, Parameter } from '../autograd/index.js';
import { having, requireThat } from '../options.js';

const [MODULE, isModule] = having('parameters', 'a Module');

/**
 * Returns a table of the parameters of `model`, a `Module`, in their order: a line for each layer
 * with its name, its class, the shapes of its parameters and the number of their values, and a last
 * line with the total. A weight that occurs twice counts once.
 *
 * @example
 * ```js
 * import { relu } from 'memgrad';
 * import { Linear, Sequential, summary } from 'memgrad/nn';
 *
 * console.log(summary(new Sequential(new Linear(2, 8), relu, new Linear(8, 1))));
 * // => layers.0  Linear      weight [8, 2], bias [8]  24
 * // => layers.2  Linear      weight [1, 8], bias [1]   9
 * // => total     Sequential                           33
 * ```
 */
export function summary(model: HasParameters): string {
  requireThat(isModule(model as never), 'summary: model', MODULE, model);
  const layers = new Map<string, Record<string, Parameter>>();
  for (const [path, parameter] of Object.entries(model.parameters())) {
    const at = path.lastIndexOf('.') + 1;
    const layer = path.slice(0, Math.max(0, at - 1));
    layers.set(layer, { ...layers.get(layer), [path.slice(at)]: parameter });
  }
  const seen = new Set<Parameter>();
  const rows = [...layers].map(([path, own]) => {
    const shapes = Object.entries(own).map(([name, { shape }]) => `${name} [${shape.join(', ')}]`);
    const news = Object.values(own).filter((parameter) => !seen.has(parameter));
    for (const parameter of news) seen.add(parameter);
    return [path, classAt(model, path), shapes.join(', '), countOf(news)];
  });
  rows.push(['total', classAt(model, ''), '', countOf([...seen])]);
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows
    .map((row) => {
      const cells = row.map((cell, column) =>
        column < 3 ? cell.padEnd(widths[column]) : cell.padStart(widths[column]),
      );
      return cells.join('  ').trimEnd();
    })
    .join('\n');
}

/** The name of the class of the object that `path` leads to; nothing for lists and records. */
function classAt(model: object, path: string): string {
  let found: unknown = model;
  for (const name of path ? path.split('.') : []) found = Object(found)[name];
  const { name = '' } = Object(found).constructor ?? {};
  return ['Array', 'Object'].includes(name) ? '' : name;
}

function countOf(parameters: readonly Parameter[]): string {
  return parameters.reduce((count, { size }) => count + size, 0).toLocaleString('en-US');
}
