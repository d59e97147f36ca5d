/**
 * The configuration of a run that is resumed with other settings, and its history of earlier ones.
 */
import type { Changeable, RunConfig } from './schema.js';

/**
 * Settings that may change. `steps` and `stopAt` only say where a run ends, so they are not in the
 * history.
 */
export interface Changes extends Changeable {
  steps?: number;
  stopAt?: number | null;
}

/** Returns `config` with `changes` from `step` on. The earlier values are added to its history. */
export function changed(config: RunConfig, step: number, changes: Changes): RunConfig {
  const { training, history = [] } = config;
  const own = {
    learningRate: training.optimizer.learningRate,
    clip: training.clip,
    schedule: training.schedule,
    nonFinite: training.nonFinite,
  };
  const names = Object.keys(own) as (keyof typeof own)[];
  // Entries after `step` are dropped, since their steps are undone; the first of them has the
  // values that held up to `step`.
  const later = history.filter((entry) => entry.step >= step);
  const before: Changeable = Object.assign(
    {},
    own,
    ...later.reverse().map(({ step: _, ...entry }) => entry),
  );
  const next = { ...own, ...defined(changes, names) };
  const other = names.filter((name) => JSON.stringify(before[name]) !== JSON.stringify(next[name]));
  const kept = history.filter((entry) => entry.step < step);
  const same = other.length === 0 || step === 0;
  const entries = same ? kept : [...kept, { step, ...defined(before, other) }];
  const { learningRate, ...rest } = next;
  const { steps = training.steps, stopAt = training.stopAt } = changes;
  return {
    ...config,
    training: {
      ...training,
      ...rest,
      optimizer: { ...training.optimizer, learningRate },
      steps,
      stopAt,
    },
    ...(entries.length > 0 ? { history: entries } : { history: undefined }),
  };
}

function defined<T extends object, Name extends keyof T>(
  values: T,
  names: readonly Name[],
): Partial<Pick<T, Name>> {
  const given = names.filter((name) => values[name] !== undefined);
  return Object.fromEntries(given.map((name) => [name, values[name]])) as Partial<Pick<T, Name>>;
}
