/** Trains both models, loads their weights into new ones, and streams those. */
import { grad, type Tensor, tensor, valueAndGrad } from 'memgrad';
import { generate, readArrays, type SegmentModel } from 'memgrad/models';
import 'memgrad/methods';
import { Linear, Sequential, summary } from 'memgrad/nn';
import { decodeSafetensors, encodeSafetensors } from 'memgrad/runs';
import { createTask } from 'memgrad/tasks';
import { AdamW, evaluate, train } from 'memgrad/training';
import { GatedRMT } from './gated-rmt.js';
import { GRU } from './gru.js';
import { typed } from './typed.js';

const task = createTask('copy', { length: 3, symbols: 10, copies: 1 });
const { vocabulary: nToken } = task;
const sizes = { nToken, nLayer: 1, nHead: 2, dModel: 32, numMemTokens: 3 };
const models: [name: string, make: (seed: number) => SegmentModel<Tensor>, steps: number][] = [
  ['GatedRMT', (seed) => new GatedRMT(sizes, seed), 120],
  ['GRU', (seed) => new GRU(nToken, 16, seed), 5],
];

for (const [name, make, steps] of models) {
  const model = make(1);
  const optimizer = new AdamW({ learningRate: 5e-3 });
  let last = Infinity;
  const options = { model, task, optimizer, segmentLength: 4, steps, capture: true, clip: 1 };
  for await (const { loss } of train(options)) last = loss;
  const { accuracy } = await evaluate({ model, task, segmentLength: 4, samples: 64 });

  const file = encodeSafetensors(new Map(Object.entries(await readArrays(model.parameters()))));
  const again = make(2);
  const { tensors } = decodeSafetensors(file);
  for (const [path, parameter] of Object.entries(again.parameters())) {
    const saved = tensors.get(path);
    if (!saved) throw new Error(path);
    parameter.assign(tensor(saved.data, { shape: saved.shape }));
  }
  const said = await Promise.all(
    [model, again].map(async (one) => {
      const stream = one.stream({ segmentLength: 4 });
      stream.push([3, 1, 4, 10]);
      const tokens: number[] = [];
      for await (const token of generate(stream, { count: 6 })) tokens.push(token);
      stream.dispose();
      return tokens.join();
    }),
  );
  console.log(
    name,
    Number.isFinite(last),
    said[0] === said[1],
    said[0].split(',').length,
    accuracy,
  );
}

const net = new Sequential(new Linear(2, 4), (x) => x.tanh(), new Linear(4, 1));
const loss = (x: Tensor): Tensor => net.forward(x).square().mean();
const [value, gradients] = valueAndGrad(loss, net)(tensor([[1, 2]]));
const weight: Tensor = gradients['layers.0.weight'];
console.log(value.rank, weight.shape, grad(loss, net)(tensor([[1, 2]]))['layers.2.bias'].shape);
console.log(summary(net).split('\n').length);
console.log(await typed());
