/** What a run of an experiment is given besides its configuration, and what it leaves. */
import { MemgradError } from '../../errors.js';
import type { RunConfig } from '../../runs/index.js';
import type { Context } from '../context.js';
import type { TextConfig } from './text-config.js';

/** How a run is done; none of it changes what comes of it. */
export interface RunOptions {
  readonly context: Context;
  /** What stands before the line that shows how it goes. */
  readonly label: string;
  /** Lengths of the task, besides its own, to evaluate on. */
  readonly lengths?: readonly number[];
  /** Where corpora are that come as published files. */
  readonly corpora?: string;
}

/** What is measured, by name, as in `Evaluation`, `StreamEvaluation` and `DocumentEvaluation`; F1 is the mean over classes. */
export type Score = 'accuracy' | 'exact' | 'bits' | 'perplexity' | 'f1';

/** What was measured, with what made it. */
export interface Measured {
  readonly config: RunConfig | TextConfig;
  readonly parameters: number;
  /** Steps taken; fewer than configured when the task was solved before. */
  readonly steps: number;
  readonly seconds: number;
  /** On samples, text or documents that were held out. */
  readonly scores: Readonly<Partial<Record<Score, number>>>;
  /** How many samples, tokens or documents these are. */
  readonly samples: number;
  /** On as many samples of other lengths. */
  readonly further?: readonly { readonly length: number; readonly scores: Measured['scores'] }[];
}

/** What is said of a run that is not the one to be trained. */
export function otherRun(folder: string): MemgradError {
  return new MemgradError(
    `'${folder}' holds a run of another configuration than this memgrad would train; move it away, or name another folder with --runs.`,
  );
}
