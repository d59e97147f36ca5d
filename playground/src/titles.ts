/** Titles of models and tasks on the page. */
import type { ModelName } from 'memgrad/models';
import type { TaskName } from 'memgrad/tasks';

export const modelTitles: Record<ModelName, string> = {
  transformer: 'Transformer',
  'transformer-xl': 'Transformer-XL',
  rmt: 'RMT',
  'mem-transformer': 'MemTransformer',
  'transformer-xl-rmt': 'Transformer-XL + RMT',
};

export const taskTitles: Record<TaskName, string> = {
  copy: 'Copy (twice)',
  reverse: 'Reverse',
  retrieval: 'Associative retrieval',
  quadratic: 'Quadratic equations',
  memorize: 'Memorize four',
};

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
