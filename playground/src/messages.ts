/** What the page and its Worker say to each other. */
import type { BackendName } from 'memgrad';
import type { RunConfig } from 'memgrad/runs';
import type { Task } from 'memgrad/tasks';
import type { TrainStep } from 'memgrad/training';

/** One model in the Worker, as the page needs to know it. */
export interface Opened {
  readonly name: RunConfig['model']['name'];
  readonly config: RunConfig;
  readonly parameters: number;
  /** Tokens of a whole sequence, and in how many segments they are read. */
  readonly time: number;
  readonly segments: number;
  /** What the task is measured by, which is the accuracy of its points, and how much of it guessing gets. */
  readonly metric: Task['metric'];
  readonly chance: number;
  /** The steps taken before it was opened here. */
  readonly history: readonly Point[];
}

/** What is kept of a step to be drawn; its accuracy is the share of whole answers where a task is measured by these. */
export type Point = Pick<
  TrainStep,
  'step' | 'loss' | 'accuracy' | 'tokensPerSecond' | 'segmentGradientNorms'
>;

/** The text of a token that a task shows as nothing, as padding. */
export const PADDING = '·';

/** A held-out sample as text, token by token, and what a model says to it by itself. */
export interface Sample {
  readonly prompt: readonly string[];
  readonly answer: readonly string[];
  readonly given: readonly string[];
}

/** Memory tokens to be erased before a segment reads them, both counted from 0. */
export interface Erased {
  readonly segment: number;
  readonly token: number;
}

/** Numbers in rows. */
export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  readonly values: Float32Array;
}

/** What is seen of one segment. */
export interface SegmentLook {
  /** Its inputs, token by token. */
  readonly tokens: readonly string[];
  /** How many keys are rows of the cache and of read memory, and how many rows write memory. */
  readonly cached: number;
  readonly read: number;
  readonly written: number;
  /** Queries by keys, for each layer and head. */
  readonly attention: readonly (readonly Matrix[])[];
}

/** What is seen of a model while it reads a held-out sample, the right answer included, with memory tokens erased. */
export interface Look {
  readonly segments: readonly SegmentLook[];
  /** Token by component: what each segment reads, and what the last one writes. Empty where there is no memory. */
  readonly memory: readonly Matrix[];
  /** Segment by memory token: the norm of the derivative of the loss by what is read there. Nothing where nothing is carried with a gradient. */
  readonly gradients: Matrix | undefined;
  /** Loss and free answer with all memory. */
  readonly whole: Judged;
  /** The erased tokens, as far as there are such, and loss and answer without them. */
  readonly gone: readonly Erased[];
  readonly without: Judged;
}

/** How a sample went. */
export interface Judged {
  readonly loss: number;
  readonly sample: Sample;
}

/** How long the steps of the benchmark took. */
export interface Timed {
  readonly backend: string;
  /** Of the first step, and of those that count, in ms. */
  readonly first: number;
  readonly milliseconds: readonly number[];
  /** In a step. */
  readonly tokens: number;
  /** Of the last step: backends should agree on it. */
  readonly loss: number;
}

/** A run as a file. */
export interface Saved {
  readonly archive: Uint8Array<ArrayBuffer>;
  /** The steps that it has taken, which may be more than the page has heard of. */
  readonly step: number;
}

/** A backend that the browser seems to have, and what computes for it. */
export interface Available {
  readonly name: BackendName;
  /** As the browser names it. */
  readonly adapter: string;
  /** Whether the processor computes what a GPU would. */
  readonly software: boolean;
}

/** What the Worker can be asked for: the question, and its answer. */
export interface Requests {
  /** Which backends there seem to be. */
  backends: [question: undefined, answer: Available[]];
  /** Makes new models, untrained; those before are gone. */
  open: [question: { configs: readonly RunConfig[] }, answer: Opened[]];
  /** Goes on with a saved run in place of all models; its files by name, or packed as one. */
  load: [
    question: { files: Uint8Array | ReadonlyMap<string, Uint8Array>; backend: BackendName },
    answer: Opened[],
  ];
  /** Trains until it is told to pause, or until a model has learnt that had not. */
  play: [question: undefined, answer: undefined];
  pause: [question: undefined, answer: undefined];
  /** One step of each model. */
  step: [question: undefined, answer: undefined];
  /** The held-out sample with this number, answered by each model. */
  sample: [question: { index: number }, answer: Sample[]];
  /** Looks inside a model while it reads a sample. */
  look: [question: { model: number; index: number; erased: readonly Erased[] }, answer: Look];
  /** Times so many training steps on a backend. */
  bench: [question: { backend: BackendName; steps: number }, answer: Timed];
  /** The run of a model, packed as one file. */
  save: [question: { model: number }, answer: Saved];
}

export type RequestName = keyof Requests;
export type Question<Name extends RequestName> = Requests[Name][0];
export type Answer<Name extends RequestName> = Requests[Name][1];

/** From the page. */
export interface ToWorker<Name extends RequestName = RequestName> {
  readonly id: number;
  readonly name: Name;
  readonly question: Question<Name>;
}

/** Unasked, while it trains and whenever that changes. */
export interface Progress {
  readonly playing: boolean;
  /** The steps since the last message, for each model. */
  readonly steps: readonly (readonly Point[])[];
}

/** From the Worker: an answer, why there is none, or how training goes. */
export type FromWorker =
  | { readonly id: number; readonly answer: unknown }
  | { readonly id: number; readonly error: string }
  | { readonly progress: Progress }
  | { readonly error: string };
