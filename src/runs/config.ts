/** The configuration of a run: everything that determines it, stored in config.json. */
import { MemgradError, shownPath } from '../errors.js';
import { checkConfig, leastParameters as leastOf } from '../models/config.js';
import { modelReads } from '../models/index.js';
import { createTask } from '../tasks/index.js';
import { refuse, requireOrigin } from './check.js';
import { limits, RUN_VERSION, type RunConfig, run, type TrainingConfig } from './schema.js';
import { buildParts } from './training-parts.js';

/**
 * Checks a configuration from outside: every field must be present, of its type and in its range,
 * no field unknown, the model within `limits`, and the parts of the training must go together.
 * `origin` begins each message. Throws `MemgradError`.
 */
export function checkRunConfig(value: unknown, origin = 'the configuration'): RunConfig {
  requireOrigin('checkRunConfig', origin);
  checkVersion(value, origin); // first, since another version may have other fields
  const config = run(value, `${origin}:`);
  const { task, training } = config;
  if (task.name === 'text') checkTextTraining(training, origin);
  const least = leastParameters(config);
  if (least > limits.parameters) {
    throw new MemgradError(
      `${shownPath(origin)}: the model would have ${least} parameters or more, but at most ${limits.parameters} are allowed; make it narrower or use fewer layers.`,
    );
  }
  checkConfig(config.model.config);
  buildParts(training, task.name === 'text' ? undefined : createTask(task.name, task.options));
  return config;
}

/** A text is one stream: its steps have no accuracy, and gradients can't reach its start. */
function checkTextTraining({ curriculum, stopAt, bpttDepth }: TrainingConfig, origin: string) {
  const path = `${origin}: training`;
  if (curriculum !== null) refuse(`${path}.curriculum`, curriculum, 'null on a text');
  if (stopAt !== null) refuse(`${path}.stopAt`, stopAt, 'null on a text, which has no accuracy,');
  if (bpttDepth === null) refuse(`${path}.bpttDepth`, bpttDepth, 'a whole number on a text');
}

function checkVersion(value: unknown, origin: string): void {
  const version = (value as { version?: unknown } | null)?.version;
  if (typeof version !== 'number' || version === RUN_VERSION) return;
  throw new MemgradError(
    `${shownPath(origin)}: version is ${version}, but this memgrad reads version ${RUN_VERSION} only; use the memgrad that wrote it.`,
  );
}

/** A lower bound of the model's parameter count. */
export function leastParameters({ model: { name, config } }: RunConfig): number {
  return leastOf(config, modelReads(name, 'numMemTokens'));
}
