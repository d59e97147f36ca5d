/** The presets of `train`. */
import { presets } from '../models/index.js';
import { textDefaults, trainingPresets } from '../runs/index.js';
import { wrap } from './format.js';

/** The name of a preset. */
export type PresetName = keyof typeof presets;
/** The names of the presets. */
export const presetNames = Object.keys(presets) as PresetName[];

/** The value of a preset for the field at `path` of a configuration; undefined if it has none. */
export function presetValue(preset: PresetName, path: readonly string[]): unknown {
  const all: unknown = { model: { config: presets[preset] }, training: trainingPresets[preset] };
  return valueAt(all, path);
}

function valueAt(all: unknown, path: readonly string[]): unknown {
  return path.reduce((part, name) => (part as Record<string, unknown> | undefined)?.[name], all);
}

/** The sentence of the help on the defaults of a run on a text, among those of `options`. */
export function textSentence(
  options: readonly { flag: string; path: readonly string[] }[],
): string {
  const all = { model: { config: textDefaults.model }, training: textDefaults.training };
  const defaults = options.flatMap(({ flag, path }) => {
    const value = valueAt(all, path);
    return value === undefined ? [] : [`${flag} ${value}`];
  });
  return wrap(`With --text, other defaults: ${defaults.join(', ')}.`, 80);
}

/** The table of presets for the help: a row for each of `options`. */
export function presetTable(options: readonly { flag: string; path: readonly string[] }[]): string {
  const shown = (value: unknown) =>
    typeof value === 'boolean' ? (value ? 'yes' : 'no') : String(value);
  const row = (title: string, cells: readonly string[]) =>
    `  ${title.padEnd(20)}${cells.map((cell) => cell.padEnd(18)).join('')}`.trimEnd();
  return [
    'Presets:',
    row('', presetNames),
    ...options.map(({ flag, path }) =>
      row(
        flag,
        presetNames.map((name) => shown(presetValue(name, path))),
      ),
    ),
  ].join('\n');
}
