/** The configuration of a run on a text. */
import { checkOptions } from '../options.js';
import type { TextTask } from '../tasks/index.js';
import { requireOrigin } from './check.js';
import { type RunChoices, runChoices, runConfig } from './run-config.js';
import type { RunConfig } from './schema.js';
import { describeText } from './text.js';

/** What a run on a text is to be. Sizes that are left out are those of `textDefaults`. */
export type TextConfigOptions = Omit<RunChoices, 'task'>;

/**
 * The configuration of a run on `text`, for `TrainingRun.start`; `origin` begins messages. Throws
 * `MemgradError` for an invalid setting, for a text of more than 2 GiB, and for a tokenizer that
 * can't be saved.
 */
export async function textConfig(
  text: TextTask,
  options: TextConfigOptions = {},
  origin = 'textConfig',
): Promise<RunConfig> {
  requireOrigin('textConfig', origin);
  const { task: _, ...known } = runChoices;
  checkOptions(origin, options, known);
  const task = await describeText(text);
  const sizes = { nToken: text.vocabulary, ...options.sizes };
  return runConfig({ ...options, task, sizes }, origin);
}
