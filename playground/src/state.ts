/**
 * The state of the page, stored in its address. A lesson is a link: `?lesson=memory` implies all of
 * its settings, and only differences from them are written. Unknown and out-of-range values count
 * as left out.
 */
import { type ModelName, modelNames } from 'memgrad/models';
import { type TaskName, taskNames } from 'memgrad/tasks';
import { lessons } from './lessons.js';

/** The maximum length of an expression, the same as the parser's. */
const LONGEST = 2000;

export const tabs = ['train', 'lens', 'microscope', 'bench'] as const;
export const themes = ['system', 'light', 'dark'] as const;
export const backendChoices = ['wasm', 'webgl', 'webgpu'] as const;
export const widths = ['16', '32', '64', '128'] as const;
export const headCounts = ['1', '2', '4'] as const;

export interface State {
  tab: (typeof tabs)[number];
  /** The id of a lesson, or ''. */
  lesson: string;
  theme: (typeof themes)[number];
  task: TaskName;
  /** The length of a sample in the task's unit: symbols, pairs, the range of roots. */
  length: number;
  /** Number of different symbols in copy, reverse and memorize. */
  symbols: number;
  /** Number of segments per sequence. */
  segments: number;
  model: ModelName;
  /** The model to compare with. */
  second: ModelName | 'none';
  memory: number;
  cache: number;
  layers: number;
  heads: (typeof headCounts)[number];
  width: (typeof widths)[number];
  batch: number;
  rate: number;
  seed: number;
  backend: (typeof backendChoices)[number];
  /** The number of the held-out sample on the screen. */
  sample: number;
  /** The model, layer, head and segment in the lens, all counted from 1. */
  shown: number;
  layer: number;
  head: number;
  segment: number;
  /** Erased memory tokens as `segment.token` pairs: the segment reads zeros for that token. */
  erase: string;
  /** The microscope's expression, and the values of its variables. */
  expression: string;
  at: string;
}

/** The props of a panel: the state, and a function that changes some of it. */
export interface PanelProps {
  state: State;
  set: (change: Partial<State>) => void;
}

export const defaults: State = {
  tab: 'train',
  lesson: '',
  theme: 'system',
  task: 'copy',
  length: 6,
  symbols: 8,
  segments: 3,
  model: 'rmt',
  second: 'none',
  memory: 6,
  cache: 6,
  layers: 2,
  heads: '2',
  width: '32',
  batch: 32,
  rate: 0.002,
  seed: 1,
  backend: 'wasm',
  sample: 0,
  shown: 1,
  layer: 1,
  head: 1,
  segment: 1,
  erase: '',
  expression: 'tanh(w * x + b)',
  at: 'w=0.5, x=2, b=-0.25',
};

/** The initial state: a model that learns the task next to one that can't. */
export const opening: State = { ...defaults, second: 'transformer' };

/** The ranges of the integer fields. */
export const ranges = {
  length: [1, 60],
  symbols: [2, 34],
  segments: [1, 12],
  memory: [1, 32],
  cache: [1, 128],
  layers: [1, 4],
  batch: [1, 128],
  seed: [0, 999_999],
  sample: [0, 9999],
  shown: [1, 2],
  layer: [1, 4],
  head: [1, 4],
  segment: [1, 12],
} as const satisfies Partial<Record<keyof State, readonly [least: number, most: number]>>;

/** Returns undefined for text that isn't a value of the field. */
type Reader<T> = (text: string) => T | undefined;

const oneOf =
  <T extends string>(choices: readonly T[]): Reader<T> =>
  (text) =>
    choices.find((choice) => choice === text);

const whole =
  ([least, most]: readonly [number, number]): Reader<number> =>
  (text) =>
    /^\d{1,6}$/.test(text) && +text >= least && +text <= most ? +text : undefined;

const share: Reader<number> = (text) =>
  /^\d*\.?\d+(e-\d+)?$/.test(text) && +text > 0 && +text <= 1 ? +text : undefined;

const atMost =
  (length: number): Reader<string> =>
  (text) =>
    text.length <= length ? text : undefined;

const readers: { [Name in keyof State]: Reader<State[Name]> } = {
  tab: oneOf(tabs),
  lesson: oneOf(lessons.map(({ id }) => id)),
  theme: oneOf(themes),
  task: oneOf(taskNames),
  length: whole(ranges.length),
  symbols: whole(ranges.symbols),
  segments: whole(ranges.segments),
  model: oneOf(modelNames),
  second: oneOf([...modelNames, 'none']),
  memory: whole(ranges.memory),
  cache: whole(ranges.cache),
  layers: whole(ranges.layers),
  heads: oneOf(headCounts),
  width: oneOf(widths),
  batch: whole(ranges.batch),
  rate: share,
  seed: whole(ranges.seed),
  backend: oneOf(backendChoices),
  sample: whole(ranges.sample),
  shown: whole(ranges.shown),
  layer: whole(ranges.layer),
  head: whole(ranges.head),
  segment: whole(ranges.segment),
  erase: (text) => (/^(\d{1,2}\.\d{1,2}(,\d{1,2}\.\d{1,2})*)?$/.test(text) ? text : undefined),
  expression: atMost(LONGEST),
  at: atMost(LONGEST),
};
const names = Object.keys(readers) as (keyof State)[];

/** The settings that an address implies: the defaults, overridden by a lesson. */
function startOf(lesson: string): State {
  return { ...defaults, ...lessons.find(({ id }) => id === lesson)?.state, lesson };
}

/** Returns the state that an address describes, or `opening` for an empty one. */
export function readState(address: URLSearchParams): State {
  const given = (name: keyof State) => readers[name](address.get(name) ?? '');
  const start = startOf((given('lesson') as string | undefined) ?? '');
  const read = names
    .filter((name) => address.has(name))
    .map((name) => [name, given(name)])
    .filter(([, value]) => value !== undefined);
  return read.length === 0 ? opening : { ...start, ...Object.fromEntries(read) };
}

/** Returns the address that describes a state, without values that no reader accepts. */
export function writeState(state: State): URLSearchParams {
  const address = new URLSearchParams();
  if (names.every((name) => state[name] === opening[name])) return address;
  const start = startOf(state.lesson);
  if (state.lesson) address.set('lesson', state.lesson);
  for (const name of names) {
    const text = String(state[name]);
    if (state[name] !== start[name] && readers[name](text) !== undefined) address.set(name, text);
  }
  // An empty address would be the opening, which has a second model.
  if (String(address) === '') address.set('second', state.second);
  return address;
}

/** Returns the initial state of a lesson, or `opening` without one. The theme is kept. */
export function startLesson(lesson: string, { theme }: State): State {
  return { ...(lesson ? startOf(lesson) : opening), theme };
}
