/** What becomes of a training when the GPU fails, in Node over Dawn. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { loadBackend } from '../../src/backends/index.js';
import { WebGPUDevice } from '../../src/backends/webgpu/device.js';
import { OutOfMemory } from '../../src/errors.js';
import { TrainingRun } from '../../src/runs/index.js';
import { configOf, MemoryStorage, savedRun } from '../runs/helpers.js';
import { dawn } from './dawn.js';

const test = suite('webgpu that fails');

test('a device that is lost in a captured step ends the training, which goes on from its checkpoint on wasm', async () => {
  const adapter = await (await dawn()).requestAdapter();
  const device = (await adapter?.requestDevice()) as GPUDevice;
  const config = configOf('rmt', { steps: 10, saveEvery: 4, curriculum: null });
  const storage = new MemoryStorage();
  const backend = await loadBackend('webgpu', { device });
  const run = await TrainingRun.start(config, { storage, backend });
  const losses: number[] = [];
  const training = async () => {
    for await (const { loss } of run.train()) {
      losses.push(loss);
      if (losses.length === 6) device.destroy();
    }
  };
  await training().then(
    () => assert.unreachable(),
    (error) =>
      assert.match(
        String(error),
        /^MemgradError: webgpu: the system took the GPU away .* 'wasm'\.$/,
      ),
  );
  run.dispose();
  assert.ok(losses.length < 10, `${losses.length} steps`);

  const resumed = await TrainingRun.resume(storage, { backend: await loadBackend('wasm') });
  const steps: number[] = [];
  for await (const { step, loss } of resumed.train()) {
    steps.push(step);
    losses[step - 1] = loss;
  }
  resumed.dispose();
  assert.equal(steps, [5, 6, 7, 8, 9, 10]);
  const metrics = (from: MemoryStorage) =>
    new TextDecoder()
      .decode(from.files.get('metrics.jsonl'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { step: number; loss: number });
  const whole = metrics(await savedRun(config));
  assert.equal(
    metrics(storage).map(({ step }) => step),
    whole.map(({ step }) => step),
  );
  for (const { step, loss } of whole.filter(({ loss }) => loss !== undefined)) {
    assert.ok(Math.abs(losses[step - 1] / loss - 1) < 1e-3, `step ${step}: ${losses[step - 1]}`);
  }
});

test('memory that is used up is a sentence at the next read', async () => {
  await dawn();
  // A device of Dawn that computes nothing, and has memory for half a gigabyte.
  const name = 'webgpu';
  const { create }: { create(options: string[]): GPU } = await import(name);
  const adapter = await create(['backend=null']).requestAdapter();
  const limits = adapter?.limits as GPUSupportedLimits;
  const { maxBufferSize, maxStorageBufferBindingSize } = limits;
  const device = new WebGPUDevice(
    (await adapter?.requestDevice({
      requiredLimits: { maxBufferSize, maxStorageBufferBindingSize },
    })) as GPUDevice,
  );
  const small = device.upload(Float32Array.of(1));
  for (let i = 0; i < 8; i++) device.empty('float32', 2 ** 25);
  for (let i = 0; i < 2; i++) {
    await device.read(small).then(
      () => assert.unreachable(),
      (error) => {
        assert.instance(error, OutOfMemory);
        assert.match(
          String(error),
          /^OutOfMemory: webgpu: the memory of the GPU is used up, .* 'wasm'\.$/,
        );
      },
    );
  }
  device.close();
});

test.run();
