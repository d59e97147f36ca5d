/** A loop of one's own, for Node and for a page: the same source, which must give the same bits. */
import {
  add,
  Key,
  matmul,
  mean,
  normal,
  Parameter,
  square,
  sub,
  type Tensor,
  tanh,
} from '../../src/index.js';
import { AdamW, type FitOptions, fit, load, save, shuffled } from '../../src/training/index.js';

const xor = { x: [[0, 0], [0, 1], [1, 0], [1, 1]], y: [[0], [1], [1], [0]] }; // biome-ignore format: rows

function begin() {
  const [a, b, c] = Key.of(1).split(3);
  const parameters = {
    a: new Parameter(normal(a, [2, 8])),
    b: new Parameter(normal(b, [8, 1])),
    c: new Parameter(normal(c, [8])),
  };
  const predict = (x: Tensor) =>
    matmul(tanh(add(matmul(x, parameters.a), parameters.c)), parameters.b);
  const batches = shuffled(xor, { batchSize: 3, seed: 2 });
  const loss: FitOptions<typeof xor>['loss'] = ({ x, y }) => mean(square(sub(predict(x), y)));
  return { parameters, loss, batches, optimizer: new AdamW({ learningRate: 0.05 }), capture: true };
}

/** Trains, and returns the parameters as text. */
async function train(
  training: ReturnType<typeof begin>,
  more: { steps: number; stepsTaken?: number },
): Promise<string> {
  for await (const _ of fit({ ...training, ...more }));
  const data = await Promise.all(Object.values(training.parameters).map((one) => one.data()));
  return data.map((values) => values.join()).join();
}

/** Trains 30 steps. */
export const whole = (): Promise<string> => train(begin(), { steps: 30 });

/** Trains 13 steps, and the rest with what `keep` returns of the saved bytes. */
export async function resumed(keep: (bytes: Uint8Array) => Promise<Uint8Array>): Promise<string> {
  const first = begin();
  await train(first, { steps: 13 });
  const { parameters, optimizer } = first;
  const bytes = await keep(await save(parameters, { optimizer, step: 13 }));
  const second = begin();
  const { step } = load(second.parameters, bytes, { optimizer: second.optimizer });
  return train(second, { steps: 30, stepsTaken: step });
}
