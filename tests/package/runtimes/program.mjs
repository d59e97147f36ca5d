// Prints what must be equal in Node, Deno and Bun. other-runtimes.test.ts runs it in each of them.
import { Key, loadBackend, matmul, normal, scope, setDefaultBackend, tensor } from 'memgrad';
import { createModel, presets } from 'memgrad/models';
import { loadFile, saveFile } from 'memgrad/runs/node';
import { createTask } from 'memgrad/tasks';
import { AdamW, train } from 'memgrad/training';

const [, , folder] = process.argv;

console.log(
  tensor([
    [1, 2],
    [3, 4],
  ]),
);
try {
  console.log(1 + tensor(1));
} catch (error) {
  console.log(error.name);
}

const task = createTask('copy', { length: 4, symbols: 10, copies: 1 });
const sizes = { nToken: task.vocabulary, nLayer: 2, nHead: 2, dModel: 32, dHead: 16, dInner: 64 };
const create = (seed) =>
  createModel('rmt', { ...presets.fast, ...sizes, numMemTokens: 4, memLen: 4 }, seed);
const bits = (loss) => new Uint32Array(Float32Array.of(loss).buffer)[0].toString(16);

async function training(name) {
  const model = create(0);
  const optimizer = new AdamW({ learningRate: 2e-3 });
  const options = { model, task, optimizer, segmentLength: 4, steps: 6 };
  for await (const { step, loss } of train(options)) console.log(name, step, bits(loss));
  return model;
}

const model = await training('loss');
await saveFile(model, `${folder}/model.safetensors`);
const again = create(1);
await loadFile(again, `${folder}/model.safetensors`);
const saved = await Promise.all([model, again].map((one) => one.parameters().memory.data()));
console.log(
  'loaded',
  saved[0].every((value, i) => value === saved[1][i]),
);

const threads = await loadBackend('wasm', { threads: 2 });
const deadline = Date.now() + 30_000;
setDefaultBackend(threads);
const product = () => scope(() => matmul(normal(Key.of(1), [64, 64]), normal(Key.of(2), [64, 64])));
while (threads.threads < 2 && Date.now() < deadline) {
  await product().data();
  await new Promise((resolve) => setTimeout(resolve, 10));
}
console.log('threads', threads.threads);
await training('loss with threads');
threads.close();
