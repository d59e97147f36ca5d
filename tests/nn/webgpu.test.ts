/** Every layer on webgpu, against float64 on cpu: values and gradients from the same key. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { grad, Key, square, sum } from '../../src/autograd/index.js';
import { createCpuBackend } from '../../src/backends/cpu/index.js';
import { loadWebGPU } from '../../src/backends/webgpu/index.js';
import { dawn } from '../backends/dawn.js';
import { made, type Place } from './made.js';

const test = suite('layers on webgpu');
await dawn();
const backend = await loadWebGPU();
const places: Place[] = [
  { key: Key.of(3), dtype: 'float64', backend: createCpuBackend() },
  { key: Key.of(3), dtype: 'float32', backend },
];

for (const [name, { layer: make, input }] of Object.entries(made)) {
  test(name, async () => {
    const [expected, came] = await Promise.all(
      places.map(async (place) => {
        const layer = make(place);
        const x = input(place);
        const read = () => layer.forward(x, Key.of(8));
        const hasParameters = Object.keys(layer.parameters()).length > 0;
        const gradients = hasParameters ? grad(() => sum(square(read())), layer)() : {};
        const all = [read(), ...Object.values(gradients)].map((tensor) => tensor.data());
        return (await Promise.all(all)).map((values) => Array.from(values));
      }),
    );
    for (const [i, values] of came.entries()) {
      values.forEach((value, j) => {
        const wanted = expected[i][j];
        const error = Math.abs(value - wanted) / Math.max(1, Math.abs(wanted));
        assert.ok(error < 1e-4, `${i}, ${j}: ${value}, expected ${wanted}`);
      });
    }
  });
}

test.run();
