/** What the page and its Worker say to each other. */
import type { BackendName } from 'memgrad';
import type { RunConfig } from 'memgrad/runs';
import type { TrainStep } from 'memgrad/training';

/** One model in the Worker, as the page needs to know it. */
export interface Opened {
  readonly name: RunConfig['model']['name'];
  readonly config: RunConfig;
  readonly parameters: number;
  /** Tokens of a whole sequence, and in how many segments they are read. */
  readonly time: number;
  readonly segments: number;
  /** The accuracy of guessing. */
  readonly chance: number;
  /** The steps taken before it was opened here. */
  readonly history: readonly Point[];
}

/** What is kept of a step to be drawn. */
export type Point = Pick<
  TrainStep,
  'step' | 'loss' | 'accuracy' | 'tokensPerSecond' | 'segmentGradientNorms'
>;

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

/** What the Worker can be asked for: the question, and its answer. */
export interface Requests {
  /** Which backends there seem to be. */
  backends: [question: undefined, answer: BackendName[]];
  /** Makes new models, untrained; those before are gone. */
  open: [question: { configs: readonly RunConfig[] }, answer: Opened[]];
  /** Goes on with a saved run in place of all models; its files by name, or packed as one. */
  load: [
    question: { files: Uint8Array | ReadonlyMap<string, Uint8Array>; backend: BackendName },
    answer: Opened[],
  ];
  /** Trains until it is told to pause, or all is learnt. */
  play: [question: undefined, answer: undefined];
  pause: [question: undefined, answer: undefined];
  /** One step of each model. */
  step: [question: undefined, answer: undefined];
  /** The held-out sample with this number, answered by each model. */
  sample: [question: { index: number }, answer: Sample[]];
  /** The run of a model, packed as one file. */
  save: [question: { model: number }, answer: Uint8Array<ArrayBuffer>];
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
  /** For each model, whether there is nothing left to train. */
  readonly finished: readonly boolean[];
}

/** From the Worker: an answer, why there is none, or how training goes. */
export type FromWorker =
  | { readonly id: number; readonly answer: unknown }
  | { readonly id: number; readonly error: string }
  | { readonly progress: Progress }
  | { readonly error: string };
