/** The definition of an experiment. */
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

/** One number of a table: a model on a task, with a given segmentation. */
export interface Cell {
  /** The title of the table's row. */
  readonly row: string;
  readonly model: Contender;
  /** The paper's number, a mean over its runs. */
  readonly paper?: number;
  readonly seeds: readonly number[];
  /** Extra rows: the same trained models, evaluated on the same task at other lengths. */
  readonly further?: readonly { readonly row: string; readonly length: number }[];
  /** Takes the runs from the folders of another experiment's row. */
  readonly shared?: { readonly experiment: string; readonly row: string };
  /** Returns the configuration of the run with `seed`. */
  config(seed: number): Measured['config'];
}

/** A table or figure. */
export interface Experiment {
  readonly title: string;
  /** Where it is in the paper; without it the experiment is our own. */
  readonly source?: string;
  /** The scales at which it can be run; all by default. */
  readonly scales?: readonly Scale[];
  readonly score: Score;
  /**
   * The values that its figure shows, on one line per row. By default it shows the scores on one
   * line per model.
   */
  readonly shows?: 'steps' | 'scores';
  /** Describes the score in a sentence. */
  readonly says: string;
  cells(scale: Scale): Cell[];
}
