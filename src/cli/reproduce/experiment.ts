/** What an experiment is. */
import type { Measured, Score } from './measured.js';
import type { Scale } from './scales.js';

/** A model of the paper. */
export type Contender =
  | 'transformer'
  | 'mem-transformer'
  | 'transformer-xl'
  | 'rmt'
  | 'transformer-xl-rmt'
  | 'encoder-rmt';

/** One number of a table: a model on a task, cut in a certain way. */
export interface Cell {
  /** What the row of the table is called. */
  readonly row: string;
  readonly model: Contender;
  /** The paper's number: a mean over its runs. */
  readonly paper?: number;
  readonly seeds: readonly number[];
  /** Rows of their own: what was trained, evaluated on the same task at other lengths. */
  readonly further?: readonly { readonly row: string; readonly length: number }[];
  /** The runs are those of another experiment's row, done in its folders. */
  readonly shared?: { readonly experiment: string; readonly row: string };
  /** What makes the run of a seed. */
  config(seed: number): Measured['config'];
}

/** A table or figure. */
export interface Experiment {
  readonly title: string;
  /** Of the paper; without it the experiment is our own. */
  readonly source?: string;
  /** At which it can be run; all by default. */
  readonly scales?: readonly Scale[];
  readonly score: Score;
  /** What its figure shows on a line to each row; by default it has the scores on a line to each model. */
  readonly shows?: 'steps' | 'scores';
  /** What the score is, in a sentence that begins with it. */
  readonly says: string;
  cells(scale: Scale): Cell[];
}
