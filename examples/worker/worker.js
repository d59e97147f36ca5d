// The worker: trains, and reports to the page. Import maps don't apply to workers, so without a
// bundler the path is written out; with one, import 'memgrad/models' here too.
import { createModel, presets } from './node_modules/memgrad/dist/models/index.js';
import { createTask } from './node_modules/memgrad/dist/tasks/index.js';
import { AdamW, evaluate, train } from './node_modules/memgrad/dist/training/index.js';

const task = createTask('copy', { length: 3, symbols: 10, copies: 1 });
const sizes = { nToken: task.vocabulary, nLayer: 2, nHead: 2, dModel: 32, dHead: 16, dInner: 64 };
const model = createModel('rmt', { ...presets.fast, ...sizes, numMemTokens: 3, memLen: 1 });
const optimizer = new AdamW({ learningRate: 1e-2 });
const segmentLength = 4;

for await (const { step, loss } of train({ model, task, optimizer, segmentLength, steps: 200 })) {
  postMessage({ step, loss });
}
const { accuracy } = await evaluate({ model, task, segmentLength });
postMessage({ accuracy });
