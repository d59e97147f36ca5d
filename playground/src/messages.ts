/** The messages between the page and its Worker. */
import type { BackendName } from 'memgrad';
import type { RunConfig } from 'memgrad/runs';
import type { Task } from 'memgrad/tasks';
import type { TrainStep } from 'memgrad/training';

/** One model in the Worker, as the page sees it. */
export interface Opened {
  readonly name: RunConfig['model']['name'];
  readonly config: RunConfig;
  readonly parameters: number;
  /** Tokens of a whole sequence, and the number of segments that it is read in. */
  readonly time: number;
  readonly segments: number;
  /** The task's metric, which is the accuracy in `Point`, and its value for random guessing. */
  readonly metric: Task['metric'];
  readonly chance: number;
  /** The steps taken before the run was opened here. */
  readonly history: readonly Point[];
}

/**
 * The values of a step that are plotted. The accuracy is the share of whole answers for tasks with
 * that metric.
 */
export type Point = Pick<
  TrainStep,
  'step' | 'loss' | 'accuracy' | 'tokensPerSecond' | 'segmentGradientNorms'
>;

/** The text of a token that a task shows as an empty string, such as padding. */
export const PADDING = '·';

/** A held-out sample as text, token by token, with a model's free-running answer (`given`). */
export interface Sample {
  readonly prompt: readonly string[];
  readonly answer: readonly string[];
  readonly given: readonly string[];
}

/** A memory token to erase before a segment reads it; both counted from 0. */
export interface Erased {
  readonly segment: number;
  readonly token: number;
}

/** A row-major matrix. */
export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  readonly values: Float32Array;
}

/** The recording of one segment. */
export interface SegmentLook {
  /** Its inputs, token by token. */
  readonly tokens: readonly string[];
  /**
   * The number of keys in the cache and in read memory, and the number of rows that write memory.
   */
  readonly cached: number;
  readonly read: number;
  readonly written: number;
  /** Attention weights, queries by keys, for each layer and head. */
  readonly attention: readonly (readonly Matrix[])[];
}

/**
 * The recording of a model while it reads a held-out sample, including the right answer, with
 * memory tokens erased.
 */
export interface Look {
  readonly segments: readonly SegmentLook[];
  /**
   * The memory that each segment reads, and that the last one writes, token by component. Empty
   * without memory.
   */
  readonly memory: readonly Matrix[];
  /**
   * The norm of the derivative of the loss by the memory that is read, segment by memory token.
   * Undefined if nothing is carried with a gradient.
   */
  readonly gradients: Matrix | undefined;
  /** Loss and free answer with all memory. */
  readonly whole: Judged;
  /** The erased tokens that exist, and loss and answer without them. */
  readonly gone: readonly Erased[];
  readonly without: Judged;
}

/** The loss and the answer on a sample. */
export interface Judged {
  readonly loss: number;
  readonly sample: Sample;
}

/** The times of the benchmark's steps. */
export interface Timed {
  readonly backend: string;
  /** The time of the first step, and of the counted ones, in ms. */
  readonly first: number;
  readonly milliseconds: readonly number[];
  /** Tokens per step. */
  readonly tokens: number;
  /** The loss of the last step, on which backends should agree. */
  readonly loss: number;
}

/** A run as a file. */
export interface Saved {
  readonly archive: Uint8Array<ArrayBuffer>;
  /** The steps that it has taken, which may be more than the page has received. */
  readonly step: number;
}

/** A backend that the browser seems to have, and its adapter. */
export interface Available {
  readonly name: BackendName;
  /** The name that the browser reports. */
  readonly adapter: string;
  /** Whether it is a software renderer, which runs on the processor. */
  readonly software: boolean;
}

/** The requests to the Worker: the type of each question and of its answer. */
export interface Requests {
  /** The backends that the browser seems to have. */
  backends: [question: undefined, answer: Available[]];
  /** Creates new, untrained models, which replace the previous ones. */
  open: [question: { configs: readonly RunConfig[] }, answer: Opened[]];
  /**
   * Continues a saved run, which replaces all models; `files` are its files by name, or one
   * archive.
   */
  load: [
    question: { files: Uint8Array | ReadonlyMap<string, Uint8Array>; backend: BackendName },
    answer: Opened[],
  ];
  /** Trains until `pause`, or until another model has learnt the task. */
  play: [question: undefined, answer: undefined];
  pause: [question: undefined, answer: undefined];
  /** Takes one step of each model. */
  step: [question: undefined, answer: undefined];
  /** Returns the held-out sample with this number, answered by each model. */
  sample: [question: { index: number }, answer: Sample[]];
  /** Records a model while it reads a sample. */
  look: [question: { model: number; index: number; erased: readonly Erased[] }, answer: Look];
  /** Times `steps` training steps on a backend. */
  bench: [question: { backend: BackendName; steps: number }, answer: Timed];
  /** Returns the run of a model as one archive. */
  save: [question: { model: number }, answer: Saved];
}

export type RequestName = keyof Requests;
export type Question<Name extends RequestName> = Requests[Name][0];
export type Answer<Name extends RequestName> = Requests[Name][1];

/** A message from the page. */
export interface ToWorker<Name extends RequestName = RequestName> {
  readonly id: number;
  readonly name: Name;
  readonly question: Question<Name>;
}

/** Sent without a request, while it trains and when training starts or stops. */
export interface Progress {
  readonly playing: boolean;
  /** The new steps since the last message, for each model. */
  readonly steps: readonly (readonly Point[])[];
}

/** A message from the Worker: an answer, an error, or the progress of training. */
export type FromWorker =
  | { readonly id: number; readonly answer: unknown }
  | { readonly id: number; readonly error: string }
  | { readonly progress: Progress }
  | { readonly error: string };
