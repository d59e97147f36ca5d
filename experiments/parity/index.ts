/**
 * Parity: compares the models of memgrad with numbers that the published code computed.
 */
import { runStream, runSynthetic } from './case.js';
import type { ParityRow } from './compare.js';
import type { ParityContext } from './context.js';
import { runEvaluation } from './evaluation.js';
import type { Fixture } from './fixture.js';
import { runTraining } from './training.js';

export type { ParityRow } from './compare.js';
export type { ParityContext } from './context.js';
export { type Fixture, parseFixture } from './fixture.js';

/**
 * Runs a fixture from `parseFixture` and yields one row for each of its fields. Throws
 * `MemgradError` for a fixture that contradicts itself, or needs a feature that the models here
 * don't have.
 */
export function runFixture(fixture: Fixture, context: ParityContext): AsyncGenerator<ParityRow> {
  switch (fixture.kind) {
    case 'synthetic':
      return runSynthetic(fixture.fixture, context);
    case 'stream':
      return runStream(fixture.fixture, context);
    case 'training':
      return runTraining(fixture.fixture, context);
    case 'evaluation':
      return runEvaluation(fixture.fixture, context);
  }
}
