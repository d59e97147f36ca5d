/** Titles of models and tasks on the page. */
import { type ModelName, modelNames } from 'memgrad/models';
import { type TaskName, taskNames } from 'memgrad/tasks';

/** `titles`, and the names of all others. */
function titled<Name extends string>(
  names: readonly Name[],
  titles: Partial<Record<Name, string>>,
): Record<Name, string> {
  const all = names.map((name) => [name, titles[name] ?? name]);
  return Object.fromEntries(all) as Record<Name, string>;
}

export const modelTitles = titled<ModelName>(modelNames, {
  transformer: 'Transformer',
  'transformer-xl': 'Transformer-XL',
  rmt: 'RMT',
  'mem-transformer': 'MemTransformer',
  'transformer-xl-rmt': 'Transformer-XL + RMT',
});

export const taskTitles = titled<TaskName>(taskNames, {
  copy: 'Copy (twice)',
  reverse: 'Reverse',
  retrieval: 'Associative retrieval',
  quadratic: 'Quadratic equations',
  memorize: 'Memorize four',
});

/** The colours of the two models. */
export const modelColours = ['--first', '--second'] as const;

/** The titles of `models`, numbered if both are the same kind. */
export function namesOf(models: readonly { name: ModelName }[]): string[] {
  const titles = models.map(({ name }) => modelTitles[name]);
  const same = titles.length === 2 && titles[0] === titles[1];
  return same ? titles.map((title, i) => `${title} (${i + 1})`) : titles;
}

export function percent(share: number): string {
  return Number.isFinite(share) ? `${(100 * share).toFixed(1)}%` : '–';
}

export function plural(count: number, what: string): string {
  return `${count.toLocaleString('en')} ${what}${count === 1 ? '' : 's'}`;
}
