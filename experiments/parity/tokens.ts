/** Converts the tokens of a fixture to batches. */
import { MemgradError } from 'memgrad';
import { type Batch, IGNORED } from 'memgrad/tasks';
import type { FixtureTensor } from './fixture.js';

/**
 * Converts a time-major [time, batch] fixture to row-major [batch, time]. Throws `MemgradError` for
 * another rank, or a number that isn't a token.
 */
export function tokensOf(
  field: string,
  { shape, data }: FixtureTensor,
  vocabulary: number,
): { size: number; time: number; tokens: Int32Array } {
  const [time, size] = shape;
  if (shape.length !== 2 || time < 1 || size < 1) {
    throw new MemgradError(
      `${field} has shape [${shape.join(', ')}], but [time, batch] was expected; check the fixture.`,
    );
  }
  const wrong = data.find((token) => !Number.isInteger(token) || token < 0 || token >= vocabulary);
  if (wrong !== undefined) {
    throw new MemgradError(
      `${field} holds ${wrong}, but tokens from 0 to ${vocabulary - 1} were expected; check n_token.`,
    );
  }
  const tokens = new Int32Array(data.length);
  data.forEach((token, i) => {
    tokens[(i % size) * time + Math.floor(i / size)] = token;
  });
  return { size, time, tokens };
}

/**
 * Converts a fixture's tokens to a batch in which the last `answerSize` positions count; all if
 * null.
 */
export function batchOf(
  inputs: FixtureTensor,
  targets: FixtureTensor,
  answerSize: number | null,
  vocabulary: number,
): Batch {
  const { size, time, tokens } = tokensOf('inputs', inputs, vocabulary);
  const wanted = tokensOf('targets', targets, vocabulary);
  if (wanted.size !== size || wanted.time !== time) {
    throw new MemgradError(
      `inputs are [${time}, ${size}] and targets [${wanted.time}, ${wanted.size}], but they must be equal; check the fixture.`,
    );
  }
  const first = Math.max(0, time - (answerSize ?? time));
  const counted = wanted.tokens.map((token, i) => (i % time < first ? IGNORED : token));
  return { size, time, inputs: tokens, targets: counted, promptLength: first + 1 };
}

/**
 * The length of the segments that the reference's scripts cut: torch.chunk(rows, rows // length).
 */
export function chunkLength(rows: number, length: number): number {
  return Math.ceil(rows / Math.max(1, Math.floor(rows / length)));
}
