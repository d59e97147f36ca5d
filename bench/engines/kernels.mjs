/** Times each kernel of a training step of memgrad on WebGPU: node engines/kernels.mjs [option of Dawn ...] */
import { loadBackend, setDefaultBackend } from '../../dist/index.js';
import { serve } from '../lib/serve.mjs';
import { timingDevice } from '../lib/timestamps.mjs';
import { prepare, workloads } from '../lib/workload.mjs';

const { device, timed } = await timingDevice(process.argv.slice(2));
const backend = await loadBackend('webgpu', { device });
setDefaultBackend(backend);

await serve({
  /** Takes steps until they are replayed from a list, then times the kernels of `steps` more. */
  async kernels({ workload, steps }) {
    const { loop } = prepare(workloads[workload], backend);
    for (let i = 0; i < 5; i++) await loop.next();
    const kernels = [];
    for (let i = 0; i < steps; i++) kernels.push(await timed(() => loop.next()));
    return { kernels };
  },
});
