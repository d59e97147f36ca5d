/** The model and its training, which know nothing of React. */
import {
  argmax,
  cast,
  crossEntropy,
  equal,
  Key,
  mean,
  scope,
  softmax,
  type Tensor,
  tanh,
  tensor,
} from 'memgrad';
import { Linear, Module } from 'memgrad/nn';
import { AdamW, fit, shuffled } from 'memgrad/training';

/** The model answers for GRID x GRID points. */
export const GRID = 24;

export interface Progress {
  step: number;
  /** The share of held-out points that are classified correctly. */
  accuracy: number;
  /** For each point of the grid, row by row, how likely it is inside. */
  inside: number[];
}

class Classifier extends Module {
  readonly hidden: Linear;
  readonly output: Linear;

  constructor(key: Key) {
    super();
    this.hidden = new Linear(2, 16, { key: key.fold(0) });
    this.output = new Linear(16, 2, { key: key.fold(1) });
  }

  /** [points, 2] to logits [points, 2], outside and inside. */
  forward(x: Tensor): Tensor {
    return this.output.forward(tanh(this.hidden.forward(x)));
  }
}

/** Points in the square from -1 to 1, and whether each is inside the circle. */
function points(key: Key, count: number) {
  const data = Float32Array.from(key.integers(2 * count, 2000), (n) => n / 1000 - 1);
  const radius = (i: number) => Math.hypot(data[2 * i], data[2 * i + 1]);
  const y = Int32Array.from({ length: count }, (_, i) => (radius(i) < 0.7 ? 1 : 0));
  return { x: { data, shape: [count, 2] }, y };
}

const coordinate = (i: number) => (2 * i + 1) / GRID - 1;
const grid = Array.from({ length: GRID ** 2 }, (_, i) => [
  coordinate(i % GRID),
  coordinate(Math.floor(i / GRID)),
]);

/** Trains a classifier until it is done or `signal` ends it, and then frees it. */
export async function learn(
  seed: number,
  signal: AbortSignal,
  show: (progress: Progress) => void,
): Promise<void> {
  const key = Key.of(seed);
  const model = new Classifier(key.fold(0));
  const optimizer = new AdamW({ learningRate: 0.03 });
  try {
    for await (const { step, evaluation } of fit({
      model,
      loss({ x, y }) {
        const logits = model.forward(x);
        const accuracy = mean(cast(equal(argmax(logits, -1), y), 'float32'));
        return { loss: crossEntropy(logits, y), metrics: { accuracy } };
      },
      batches: shuffled(points(key.fold(1), 500), { batchSize: 50, seed }),
      evaluate: [points(key.fold(2), 500)],
      evaluateEvery: 10,
      optimizer,
      steps: 300,
      signal,
    })) {
      if (!evaluation) continue;
      const shares = scope(() => softmax(model.forward(tensor(grid))));
      const values = await shares.data();
      shares.dispose();
      await new Promise(requestAnimationFrame); // lets the page draw
      if (signal.aborted) return;
      const inside = grid.map((_, i) => values[2 * i + 1]);
      show({ step, accuracy: evaluation.metrics.accuracy, inside });
    }
  } finally {
    model.dispose();
    optimizer.dispose();
  }
}
