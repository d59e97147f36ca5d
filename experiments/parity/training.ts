/** Compares training fixtures: a few optimiser steps, as the reference's scripts take them. */
import { globalNorm, MemgradError, scope, valueAndGrad } from 'memgrad';
import { readArrays, toReference } from 'memgrad/models';
import type { Batch, Task } from 'memgrad/tasks';
import { Adam, type Carry, clipScale, cutSegments, streamLoss, train } from 'memgrad/training';
import { compare, compareNamed, type ParityRow } from './compare.js';
import { disposeAll, finallyDispose, type ParityContext } from './context.js';
import type { TrainingCase } from './fixture.js';
import { fixtureModel, type ReferenceModel } from './model.js';
import { batchOf, chunkLength } from './tokens.js';

/** Compares the losses and gradient norms of the steps, and the parameters after the last one. */
export async function* runTraining(
  fixture: TrainingCase,
  context: ParityContext,
): AsyncGenerator<ParityRow, void, void> {
  const { config, script, batches, init_params, float64 } = fixture;
  const { tolerance } = context;
  const { losses, grad_norms_before_clip, final_params } = float64;
  const onStream = script === 'train.py';
  const all = batches.map(({ data, target }) =>
    batchOf(data, target, onStream ? null : config.answer_size, config.n_token),
  );
  if (losses.length !== all.length || grad_norms_before_clip.length !== all.length) {
    throw new MemgradError(
      `float64 has ${losses.length} losses and ${grad_norms_before_clip.length} gradient norms for ${all.length} batches, but one each was expected; check the fixture.`,
    );
  }
  const { lr, betas, eps, weight_decay } = fixture.optimizer;
  const adam = new Adam({ learningRate: lr, betas, epsilon: eps, weightDecay: weight_decay });
  const model = fixtureModel(config, init_params, { keepCache: !onStream }, context.backend);
  const ours: Taken[] = [];
  const final = await finallyDispose(model, async () => {
    const steps = (onStream ? onStreamSteps : onBatches)(model, all, adam, fixture, context);
    for await (const step of steps) ours.push(step);
    return toReference(await readArrays(model.parameters()));
  });
  adam.dispose();
  const one = (field: 'loss' | 'gradientNorm') => ours.map((step) => step[field]);
  yield compare('losses', one('loss'), losses, tolerance);
  yield compare('grad_norms_before_clip', one('gradientNorm'), grad_norms_before_clip, tolerance);
  const reach = context.backend.dtypes.includes('float64') ? 0 : 10 * float32Deviation(fixture);
  yield* compareNamed('final_params', final, final_params, Math.max(tolerance, reach));
}

/**
 * The deviation of the reference's float32 run from its float64 run, relative to the largest value
 * of a parameter. Adam divides a gradient by its own size: where a gradient is smaller than the
 * rounding of its sums, its sign is random, and the parameter moves a whole step in either
 * direction. Changing the last bit of the initial parameters moves our final ones by up to 5 times
 * this deviation, so a factor of 10 separates errors from rounding. Losses and norms keep the
 * tolerance.
 */
function float32Deviation({ float32, float64 }: TrainingCase): number {
  const deviations = Object.entries(float32?.final_params ?? {}).map(([name, { data }]) => {
    const exact = float64.final_params[name]?.data ?? data;
    return compare(`float32.final_params.${name}`, data, exact, 0).maxRel;
  });
  return Math.max(0, ...deviations);
}

/** The result of a step. */
interface Taken {
  loss: number;
  gradientNorm: number;
}

/** `train_synthetic.py`: one step per batch of whole sequences, with our training loop. */
function onBatches(
  model: ReferenceModel,
  batches: readonly Batch[],
  optimizer: Adam,
  { config, optimizer: { clip_grad_norm } }: TrainingCase,
  { backend }: ParityContext,
): AsyncIterable<Taken> {
  let next = 0;
  const task: Task = {
    name: 'fixture',
    vocabulary: config.n_token,
    metric: 'tokens',
    chance: 0,
    length: batches[0]?.time ?? 0,
    batch: () => batches[next++],
    withLength: () => task,
    show: (tokens) => Array.from(tokens).join(' '),
  };
  return train({
    model,
    task,
    optimizer,
    segmentLength: chunkLength(task.length, config.tgt_len),
    steps: batches.length,
    batchSize: batches[0]?.size,
    clip: clip_grad_norm,
    bpttDepth: config.mem_backprop_depth || undefined, // 0: through the whole sequence
    backend,
  });
}

/** `train.py`: one step per segment of a stream. */
async function* onStreamSteps(
  model: ReferenceModel,
  batches: readonly Batch[],
  optimizer: Adam,
  { config, optimizer: { clip_grad_norm } }: TrainingCase,
  { backend }: ParityContext,
): AsyncGenerator<Taken, void, void> {
  const options = { bpttDepth: config.mem_backprop_depth, backend };
  const parameters = model.parameters();
  let carry: Carry | undefined;
  for (const batch of batches) {
    const [segment] = cutSegments(batch, batch.time);
    const step = scope(() => {
      const lossOf = () => {
        const next = streamLoss(model, segment, batch.size, carry, options);
        return [next.loss, next.carry] as const;
      };
      const [[loss, next], gradients] = valueAndGrad(lossOf, parameters)();
      return { loss, norm: globalNorm(Object.values(gradients)), next, gradients };
    });
    const [loss, gradientNorm] = [await step.loss.item(), await step.norm.item()];
    const gradientScale = clipScale(gradientNorm, clip_grad_norm);
    optimizer.step(parameters, step.gradients, { rate: optimizer.learningRate, gradientScale });
    disposeAll([step.loss, step.norm, step.gradients, carry]);
    carry = step.next;
    yield { loss, gradientNorm };
  }
  disposeAll(carry);
}
