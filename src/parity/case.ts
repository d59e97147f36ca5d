/** Case fixtures: every forward pass, the losses and their gradients. */
import {
  crossEntropy,
  observe,
  scope,
  type Tensor,
  tensor,
  treeLeaves,
  valueAndGrad,
} from '../autograd/index.js';
import type { Backend } from '../backends/backend.js';
import { MemgradError } from '../errors.js';
import { readArrays, toReference } from '../models/index.js';
import { type Batch, IGNORED } from '../tasks/index.js';
import { type Carry, cutSegments, sequenceLoss, streamLoss } from '../training/index.js';
import { compare, compareNamed, type ParityRow, timeMajor, tokensOf } from './compare.js';
import type { FixtureTensor, Forward, StreamCase, SyntheticCase } from './fixture.js';
import { fixtureModel } from './model.js';

/** What every runner needs beside the fixture. */
export interface ParityContext {
  backend: Backend;
  tolerance: number;
}

/** A fixture's tokens as a batch of which the last `answerSize` positions count; all when null. */
export function batchOf(
  inputs: FixtureTensor,
  targets: FixtureTensor,
  answerSize: number | null,
  vocabulary: number,
): Batch {
  const { size, time, tokens } = tokensOf('inputs', inputs, vocabulary);
  const wanted = tokensOf('targets', targets, vocabulary);
  if (wanted.size !== size || wanted.time !== time) {
    throw new MemgradError(
      `inputs are [${time}, ${size}] and targets [${wanted.time}, ${wanted.size}], but they must be equal; check the fixture.`,
    );
  }
  const first = Math.max(0, time - (answerSize ?? time));
  const counted = wanted.tokens.map((token, i) => (i % time < first ? IGNORED : token));
  return { size, time, inputs: tokens, targets: counted, promptLength: first + 1 };
}

/** How long the segments are that the reference's scripts cut: torch.chunk(rows, rows // length). */
export function chunkLength(rows: number, length: number): number {
  return Math.ceil(rows / Math.max(1, Math.floor(rows / length)));
}

/** One sequence, read by `sequenceLoss`. */
export async function* runSynthetic(
  { config, params, inputs, targets, forwards, loss, grads }: SyntheticCase,
  { backend, tolerance }: ParityContext,
): AsyncGenerator<ParityRow, void, void> {
  const rules = {
    independent: config.independent_segments,
    resetMemory: config.reset_mem_each_segment,
  };
  const model = fixtureModel(config, params, rules, backend);
  const batch = batchOf(inputs, targets, config.answer_size, config.n_token);
  const segments = cutSegments(batch, config.tgt_len);
  const bpttDepth = config.mem_backprop_depth || undefined; // 0: through the whole sequence
  const lossOf = () => sequenceLoss(model, segments, batch.size, { bpttDepth, backend }).loss;
  const { result, seen } = observe(() => valueAndGrad(lossOf, model.parameters())(), isCompared);
  const [ourLoss, ourGradients] = result;

  for (const [i, forward] of forwards.entries()) {
    const { segment, kind } = forward;
    const before = /\d+$/.exec(kind)?.[0];
    const path = before ? `segments.${before}.replays.${segment}` : `segments.${segment}`;
    const wanted = segmentOf(targets, segment, config.tgt_len);
    yield* compareForward(forward, wanted, { path, field: `forwards[${i}]`, seen, tolerance });
  }
  yield compare('loss', await ourLoss.data(), [loss], tolerance);
  const gradients = toReference(await readArrays(ourGradients));
  yield* compareNamed('grads', gradients, grads, tolerance);
  for (const part of treeLeaves([...result, ...seen.values()])) part.dispose();
  model.dispose();
}

/** A stream, read by `streamLoss`. */
export async function* runStream(
  { config, params, inputs, targets, steps }: StreamCase,
  { backend, tolerance }: ParityContext,
): AsyncGenerator<ParityRow, void, void> {
  const rules = {
    independent: config.independent_segments,
    resetMemory: config.reset_mem_each_segment,
  };
  const model = fixtureModel(config, params, rules, backend);
  const batch = batchOf(inputs, targets, null, config.n_token);
  const segments = cutSegments(batch, config.tgt_len);
  const bpttDepth = config.mem_backprop_depth;
  if (steps.length > segments.length) {
    throw new MemgradError(
      `steps has ${steps.length} entries, but the inputs make ${segments.length} segments; check the fixture.`,
    );
  }
  let carry: Carry | undefined;
  for (const [i, { forwards, loss, grads }] of steps.entries()) {
    const lossOf = () => {
      const next = streamLoss(model, segments[i], batch.size, carry, { bpttDepth, backend });
      return [next.loss, next.carry] as const;
    };
    const { result, seen } = observe(() => valueAndGrad(lossOf, model.parameters())(), isCompared);
    const [[ourLoss, next], ourGradients] = result;
    let replays = 0;
    for (const [j, forward] of forwards.entries()) {
      const path = forward.kind === 'main' ? '' : `replays.${replays++}`;
      const wanted = segmentOf(targets, forward.segment, config.tgt_len);
      const field = `steps[${i}].forwards[${j}]`;
      yield* compareForward(forward, wanted, { path, field, seen, tolerance });
    }
    yield compare(`steps[${i}].loss`, await ourLoss.data(), [loss], tolerance);
    const gradients = toReference(await readArrays(ourGradients));
    yield* compareNamed(`steps[${i}].grads`, gradients, grads, tolerance);
    for (const part of treeLeaves([ourLoss, ourGradients, carry, ...seen.values()])) part.dispose();
    carry = next;
  }
  for (const part of treeLeaves(carry)) part.dispose();
  model.dispose();
}

/** What a fixture has of a forward pass. Attention weights are not among it, so fused attention runs. */
function isCompared(name: string): boolean {
  return /(^|\.)(logits|memory\.(read|written)|cache\.\d+)$/.test(name);
}

/** Rows of a time-major fixture that belong to a segment. */
function segmentOf({ shape, data }: FixtureTensor, segment: number, time: number): FixtureTensor {
  const [, size] = shape;
  const part = data.slice(segment * time * size, (segment + 1) * time * size);
  return { shape: [part.length / size, size], data: part };
}

interface Seen {
  /** Where in the computation the pass stands, as `observe` names it. */
  path: string;
  field: string;
  seen: ReadonlyMap<string, Tensor>;
  tolerance: number;
}

async function* compareForward(
  { loss_mean, mem_in, mem_out, logits, nll, mems_out }: Forward,
  targets: FixtureTensor,
  { path, field, seen, tolerance }: Seen,
): AsyncGenerator<ParityRow, void, void> {
  const named = (name: string): Tensor => {
    const found = seen.get(path ? `${path}.${name}` : name);
    if (found) return found;
    throw new MemgradError(
      `${field} has values for '${name}', which the model that the configuration describes does not make; the two do not belong together.`,
    );
  };
  const against = async (name: string, ours: Tensor, expected: FixtureTensor) =>
    compare(`${field}.${name}`, await timeMajor(ours), expected.data, tolerance);

  if (logits) yield await against('logits', named('logits'), logits);
  if (nll || loss_mean !== null) {
    const ours = named('logits');
    const { tokens } = tokensOf(`${field}: targets`, targets, ours.shape[2]);
    const losses = scope(() => {
      const wanted = tensor(tokens, { shape: ours.shape.slice(0, 2), backend: ours.backend });
      return crossEntropy(ours, wanted, { reduction: 'none' });
    });
    if (nll) yield await against('nll', losses, nll);
    if (loss_mean !== null) {
      const values = Array.from(await losses.data());
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
      yield compare(`${field}.loss_mean`, [mean], [loss_mean], tolerance);
    }
    losses.dispose();
  }
  if (mem_in) yield await against('mem_in', named('memory.read'), mem_in);
  if (mem_out) yield await against('mem_out', named('memory.written'), mem_out);
  for (const [i, rows] of (mems_out ?? []).entries()) {
    yield await against(`mems_out[${i}]`, named(`cache.${i}`), rows);
  }
}
