/** Training fixtures: a few optimiser steps, as the reference's scripts take them. */
import { scope, treeLeaves, valueAndGrad } from '../autograd/index.js';
import { MemgradError } from '../errors.js';
import { readArrays, toReference } from '../models/index.js';
import type { Batch, Task } from '../tasks/index.js';
import {
  Adam,
  type Carry,
  clipped,
  cutSegments,
  globalNorm,
  streamLoss,
  train,
} from '../training/index.js';
import { batchOf, chunkLength, type ParityContext } from './case.js';
import { compare, compareNamed, type ParityRow } from './compare.js';
import type { TrainingCase } from './fixture.js';
import { fixtureModel, type ReferenceModel } from './model.js';

/** Losses and gradient norms of the steps, and the parameters after the last one. */
export async function* runTraining(
  fixture: TrainingCase,
  context: ParityContext,
): AsyncGenerator<ParityRow, void, void> {
  const { config, script, batches, init_params, float64 } = fixture;
  const { tolerance } = context;
  const { losses, grad_norms_before_clip, final_params } = float64;
  const onStream = script === 'train.py';
  const model = fixtureModel(config, init_params, { keepCache: !onStream }, context.backend);
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
  const steps = (onStream ? onStreamSteps : onBatches)(model, all, adam, fixture, context);
  const ours: Taken[] = [];
  for await (const step of steps) ours.push(step);
  yield compare(
    'losses',
    ours.map(({ loss }) => loss),
    losses,
    tolerance,
  );
  yield compare(
    'grad_norms_before_clip',
    ours.map(({ gradientNorm }) => gradientNorm),
    grad_norms_before_clip,
    tolerance,
  );
  const final = toReference(await readArrays(model.parameters()));
  yield* compareNamed('final_params', final, final_params, tolerance);
  adam.dispose();
  model.dispose();
}

/** What came of a step. */
interface Taken {
  loss: number;
  gradientNorm: number;
}

/** `train_synthetic.py`: a step for each batch of whole sequences, by our training loop. */
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

/** `train.py`: a step for each segment of a stream. */
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
      const norm = globalNorm(gradients);
      optimizer.step(parameters, clipped(gradients, norm, clip_grad_norm), optimizer.learningRate);
      return { loss, norm, next };
    });
    const [loss, gradientNorm] = [await step.loss.item(), await step.norm.item()];
    for (const part of treeLeaves([step.loss, step.norm, carry])) part.dispose();
    carry = step.next;
    yield { loss, gradientNorm };
  }
  for (const part of treeLeaves(carry)) part.dispose();
}
