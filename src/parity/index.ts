/**
 * Parity: the models of memgrad beside numbers that the published code computed.
 *
 * @module memgrad/parity
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
 * Runs a fixture and gives one row for each of its fields. Throws `MemgradError` for one that says
 * two things at once, or asks for what the models here don't have.
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
