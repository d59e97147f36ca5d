/** Types of one's own, which are interfaces, and bytes that go on to a page's own functions. */
import { mean, mul, Parameter, square, sub, type Tensor, tensor } from 'memgrad';
import { encodeSafetensors, type OriginStorage } from 'memgrad/runs';
import { loadFile, saveFile } from 'memgrad/runs/node';
import { fit, load, SGD, save, shuffled, withAverages } from 'memgrad/training';

interface Weights {
  w: Parameter;
}

interface Data {
  x: number[];
  y: Float32Array;
  tokens: Int32Array[];
}

/** Compiles, and is not run: Node has no such storage. */
export async function downloaded(storage: OriginStorage): Promise<Blob> {
  return new Blob([await storage.read('weights.safetensors')]);
}

export async function typed(): Promise<string> {
  const parameters: Weights = { w: new Parameter(tensor(0)) };
  const tokens = [1, 2, 3].map((i) => Int32Array.of(i, i));
  const data: Data = { x: [1, 2, 3], y: Float32Array.of(2, 4, 6), tokens };
  const optimizer = new SGD({ learningRate: 0.1, ema: 0.5 });
  const batches = shuffled(data, { batchSize: 3 });
  let shape: readonly number[] = [];
  const loss = ({ x, y, tokens }: { x: Tensor; y: Tensor; tokens: Tensor }): Tensor => {
    shape = tokens.shape;
    return mean(square(sub(mul(parameters.w, x), y)));
  };
  for await (const _ of fit({ parameters, loss, batches, optimizer, steps: 20 }));
  await withAverages(optimizer, parameters, () => parameters.w.item());

  const bytes = await save(parameters);
  load(parameters, bytes);
  await saveFile(parameters, 'weights.safetensors');
  await loadFile(parameters, 'weights.safetensors');
  const request = new Request('http://localhost', { method: 'POST', body: bytes });
  const file = encodeSafetensors(
    new Map([['x', { dtype: 'int32', shape: [1], data: tokens[0].slice(1) }]]),
  );
  const sizes = [new Blob([bytes]).size - bytes.length, new Blob([file]).size - file.length];
  return [shape.join(), sizes.join(), request.method, (await parameters.w.item()).toFixed(2)].join(
    ' ',
  );
}
