// Trains a small RMT to repeat three digits from the previous segment, and saves its parameters.
//   npm install && node train.mjs
import { writeFile } from 'node:fs/promises';
import { createModel, presets, readArrays } from 'memgrad/models';
import { encodeSafetensors } from 'memgrad/runs';
import { createTask } from 'memgrad/tasks';
import { AdamW, evaluate, train } from 'memgrad/training';

const task = createTask('copy', { length: 3, symbols: 10, copies: 1 });
const sizes = { nToken: task.vocabulary, nLayer: 2, nHead: 2, dModel: 32, dHead: 16, dInner: 64 };
const model = createModel('rmt', { ...presets.fast, ...sizes, numMemTokens: 3, memLen: 1 });
const optimizer = new AdamW({ learningRate: 1e-2 });
const segmentLength = 4; // three digits and the answer sign; most of the answer is in the next segment

for await (const { step, loss } of train({ model, task, optimizer, segmentLength, steps: 200 })) {
  if (step % 50 === 0) console.log(`step ${step}, loss ${loss.toFixed(3)}`);
}

const { accuracy, example } = await evaluate({ model, task, segmentLength });
console.log(`read ${example.prompt}, answered ${example.predicted}`);
console.log(`${(100 * accuracy).toFixed(1)}% of all answers right`);

const parameters = Object.entries(await readArrays(model.parameters()));
await writeFile('model.safetensors', encodeSafetensors(new Map(parameters)));
