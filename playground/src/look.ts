/** Records a model while it reads a sample: attention, memory, and derivatives by memory. */
import { observe, Parameter, sqrt, square, sum, type Tensor, valueAndGrad } from 'memgrad';
import type { SegmentModel } from 'memgrad/models';
import type { TrainingRun } from 'memgrad/runs';
import type { Batch } from 'memgrad/tasks';
import { cutSegments, sequenceLoss } from 'memgrad/training';
import { ErasingModel } from './erase.js';
import type { Erased, Judged, Look, Matrix, SegmentLook } from './messages.js';
import { answerFreely, backendOf, textOf } from './samples.js';

/**
 * Records the model of `run` while it reads `batch`, one sample, with and without the `erased`
 * tokens.
 */
export async function look(
  run: TrainingRun,
  batch: Batch,
  erased: readonly Erased[],
): Promise<Look> {
  const whole = await read(run, run.model, batch);
  const { rows = 0, columns = 0 } = whole.gradients ?? {};
  const gone = erased.filter(({ segment, token }) => segment < rows && token < columns);
  const left = gone.length > 0 ? await read(run, new ErasingModel(run.model, gone), batch) : whole;
  const { judged, ...shown } = left;
  return { ...shown, whole: whole.judged, gone, without: judged };
}

async function read(
  run: TrainingRun,
  model: SegmentModel,
  batch: Batch,
): Promise<Omit<Look, 'whole' | 'gone' | 'without'> & { judged: Judged }> {
  const segments = cutSegments(batch, run.config.training.segmentLength);
  const norms: Parameter[] = []; // by segment; filled from the last to the first
  const lossOf = () =>
    sequenceLoss(model, segments, 1, {
      backend: backendOf(model),
      seeStateGradient: (segment, gradient) => {
        // A parameter, since it must outlive the scopes of the backward pass: [1, tokens].
        norms[segment] = new Parameter(sqrt(sum(square(gradient), -1)));
      },
    }).loss;
  const {
    result: [loss, gradients],
    seen,
  } = observe(() => valueAndGrad(lossOf, run.model.parameters())(), isShown);

  const values = async (name: string) => {
    const found = seen.get(name);
    return found && (await matrices(found));
  };
  const looks: SegmentLook[] = [];
  const memory: Matrix[] = [];
  for (const [t, { inputs, time }] of segments.entries()) {
    const attention: Matrix[][] = [];
    for (let layer = 0; seen.has(`segments.${t}.layers.${layer}.attention`); layer++) {
      attention.push((await values(`segments.${t}.layers.${layer}.attention`)) as Matrix[]);
    }
    const before = await values(`segments.${t}.memory.read`);
    if (before) memory.push(before[0]);
    const read = before?.[0].rows ?? 0;
    const [{ rows, columns }] = attention[0];
    looks.push({
      tokens: textOf(run.task, inputs),
      cached: columns - rows,
      read,
      written: rows - time - read,
      attention,
    });
  }
  const written = await values(`segments.${segments.length - 1}.memory.written`);
  if (written && looks.some((segment) => segment.written > 0)) memory.push(written[0]);
  const judged = { loss: await loss.item(), sample: await answerFreely(model, batch, run) };
  const derivatives = await rowsOf(norms);
  for (const tensor of [loss, ...Object.values(gradients), ...seen.values(), ...norms]) {
    tensor.dispose();
  }
  return { segments: looks, memory, gradients: derivatives, judged };
}

function isShown(name: string): boolean {
  return /^segments\.\d+\.(layers\.\d+\.attention|memory\.(read|written))$/.test(name);
}

/** Returns the matrices in the last two axes of a tensor. */
async function matrices(tensor: Tensor): Promise<Matrix[]> {
  const [rows, columns] = tensor.shape.slice(-2);
  const values = (await tensor.data()) as Float32Array;
  return Array.from({ length: values.length / (rows * columns) }, (_, i) => ({
    rows,
    columns,
    values: values.slice(i * rows * columns, (i + 1) * rows * columns),
  }));
}

/** Combines tensors [1, columns] into a matrix. */
async function rowsOf(tensors: readonly Tensor[]): Promise<Matrix | undefined> {
  if (tensors.length === 0) return undefined;
  const rows = await Promise.all(tensors.map((tensor) => tensor.data()));
  const columns = rows[0].length;
  return {
    rows: rows.length,
    columns,
    values: Float32Array.from(rows.flatMap((row) => Array.from(row))),
  };
}
