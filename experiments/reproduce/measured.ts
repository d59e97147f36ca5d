/** The options of an experiment's run besides its configuration, and its result. */
import { MemgradError } from 'memgrad';
import type { Context } from 'memgrad/cli';
import type { RunConfig } from 'memgrad/runs';
import type { TextConfig } from './text-config.js';

/** How a run is done; none of these options changes its result. */
export interface RunOptions {
  readonly context: Context;
  /** The text before the progress line. */
  readonly label: string;
  /** Other lengths of the task to evaluate on. */
  readonly lengths?: readonly number[];
  /** The folder of corpora that are read from published files. */
  readonly corpora?: string;
}

/**
 * The names of scores, as in `Evaluation`, `StreamEvaluation` and `DocumentEvaluation`; F1 is the
 * mean over classes.
 */
export type Score = 'accuracy' | 'exact' | 'bits' | 'perplexity' | 'f1';

/** The result of a run, with its configuration. */
export interface Measured {
  readonly config: RunConfig | TextConfig;
  readonly parameters: number;
  /** Steps taken; fewer than configured if `stopAt` was reached. */
  readonly steps: number;
  readonly seconds: number;
  /** The scores on held-out samples, text or documents. */
  readonly scores: Readonly<Partial<Record<Score, number>>>;
  /** The number of these samples, tokens or documents. */
  readonly samples: number;
  /** The scores on as many samples of other lengths. */
  readonly further?: readonly { readonly length: number; readonly scores: Measured['scores'] }[];
}

/** The error for a folder with another run than the one to train. */
export function otherRun(folder: string): MemgradError {
  return new MemgradError(
    `'${folder}' holds a run of another configuration than this memgrad would train; move it away, or name another folder with --runs.`,
  );
}
