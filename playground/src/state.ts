/**
 * What the page shows, as the address holds it. A lesson is a link: `?lesson=memory` stands for all
 * of its settings, and only what differs from them is written out. What is not known or out of
 * range counts as left out.
 */
import { type ModelName, modelNames } from 'memgrad/models';
import { type TaskName, taskNames } from 'memgrad/tasks';
import { lessons } from './lessons.js';

/** The longest text of the microscope, which its parser takes. */
const LONGEST = 2000;

export const tabs = ['train', 'lens', 'microscope', 'bench'] as const;
export const themes = ['system', 'light', 'dark'] as const;
export const backendChoices = ['wasm', 'webgl', 'webgpu'] as const;
export const widths = ['16', '32', '64', '128'] as const;
export const headCounts = ['1', '2', '4'] as const;

export interface State {
  tab: (typeof tabs)[number];
  /** The id of a lesson, or nothing. */
  lesson: string;
  theme: (typeof themes)[number];
  task: TaskName;
  /** How long a sample is, as the task counts: symbols, pairs, the range of roots. */
  length: number;
  /** How many different symbols there are, in copy and reverse. */
  symbols: number;
  /** Into how many segments a sequence is cut. */
  segments: number;
  model: ModelName;
  /** The model beside it. */
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
  /** Which held-out sample is on the screen. */
  sample: number;
  /** Which model, layer, head and segment the lens looks at, all from 1. */
  shown: number;
  layer: number;
  head: number;
  segment: number;
  /** Erased memory tokens, `segment.token` each: what that segment would have read there. */
  erase: string;
  /** Of the microscope: what is computed, and at which values of its variables. */
  expression: string;
  at: string;
}

/** What a panel gets: the state, and how to change some of it. */
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

/** What the page opens with: a model that learns the task beside one that cannot. */
export const opening: State = { ...defaults, second: 'transformer' };

/** The smallest and largest values of the fields that are whole numbers. */
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

/** Gives nothing for a text that is no value of the field. */
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

/** What holds where the address leaves a setting out: the defaults, with the settings of a lesson. */
function startOf(lesson: string): State {
  return { ...defaults, ...lessons.find(({ id }) => id === lesson)?.state, lesson };
}

/** The state that an address describes; that of the opening where it describes nothing. */
export function readState(address: URLSearchParams): State {
  const given = (name: keyof State) => readers[name](address.get(name) ?? '');
  const start = startOf((given('lesson') as string | undefined) ?? '');
  const read = names
    .filter((name) => address.has(name))
    .map((name) => [name, given(name)])
    .filter(([, value]) => value !== undefined);
  return read.length === 0 ? opening : { ...start, ...Object.fromEntries(read) };
}

/** The address that describes a state. What no reader would take is left out. */
export function writeState(state: State): URLSearchParams {
  const address = new URLSearchParams();
  if (names.every((name) => state[name] === opening[name])) return address;
  const start = startOf(state.lesson);
  if (state.lesson) address.set('lesson', state.lesson);
  for (const name of names) {
    const text = String(state[name]);
    if (state[name] !== start[name] && readers[name](text) !== undefined) address.set(name, text);
  }
  // An address that says nothing is the opening, which has a second model.
  if (String(address) === '') address.set('second', state.second);
  return address;
}

/** The state at the start of a lesson, or without one that of the opening; how the page looks stays as it is. */
export function startLesson(lesson: string, { theme }: State): State {
  return { ...(lesson ? startOf(lesson) : opening), theme };
}
