/** Compares case fixtures: every forward pass, the losses and their gradients. */
import { MemgradError, observe, type Tensor, valueAndGrad } from 'memgrad';
import { type HostArray, readArrays, toReference } from 'memgrad/models';
import { type Carry, cutSegments, sequenceLoss, streamLoss } from 'memgrad/training';
import { compare, compareNamed, type ParityRow, timeMajor } from './compare.js';
import { disposeAll, finallyDispose, type ParityContext } from './context.js';
import type { FixtureTensor, Forward, StreamCase, SyntheticCase } from './fixture.js';
import { fixtureModel, type StateRules } from './model.js';
import { batchOf } from './tokens.js';

/** Compares one sequence, read by `sequenceLoss`. Yields a row per field. */
export async function* runSynthetic(
  { config, params, inputs, targets, forwards, loss, grads }: SyntheticCase,
  { backend, tolerance }: ParityContext,
): AsyncGenerator<ParityRow, void, void> {
  const batch = batchOf(inputs, targets, config.answer_size, config.n_token);
  const segments = cutSegments(batch, config.tgt_len);
  const bpttDepth = config.mem_backprop_depth || undefined; // 0: through the whole sequence
  const model = fixtureModel(config, params, rulesOf(config), backend);
  const taken = await finallyDispose(model, () => {
    const lossOf = () => sequenceLoss(model, segments, batch.size, { bpttDepth, backend }).loss;
    return take(() => valueAndGrad(lossOf, model.parameters())());
  });

  for (const [i, forward] of forwards.entries()) {
    const { segment, kind } = forward;
    const before = /\d+$/.exec(kind)?.[0];
    const path = before ? `segments.${before}.replays.${segment}.` : `segments.${segment}.`;
    const named = { path, field: `forwards[${i}]`, targets, time: config.tgt_len };
    yield* compareForward(forward, taken.seen, named, tolerance);
  }
  yield compare('loss', [taken.loss], [loss], tolerance);
  yield* compareNamed('grads', taken.gradients, grads, tolerance);
}

/**
 * Compares a stream, read by `streamLoss`. Yields a row per field. Throws `MemgradError` for more
 * steps than segments.
 */
export async function* runStream(
  { config, params, inputs, targets, steps }: StreamCase,
  { backend, tolerance }: ParityContext,
): AsyncGenerator<ParityRow, void, void> {
  const batch = batchOf(inputs, targets, null, config.n_token);
  const segments = cutSegments(batch, config.tgt_len);
  if (steps.length > segments.length) {
    throw new MemgradError(
      `steps has ${steps.length} entries, but the inputs make ${segments.length} segments; check the fixture.`,
    );
  }
  const options = { bpttDepth: config.mem_backprop_depth, backend };
  const model = fixtureModel(config, params, rulesOf(config), backend);
  const all = await finallyDispose(model, async () => {
    const taken: Taken[] = [];
    let carry: Carry | undefined;
    for (const segment of segments.slice(0, steps.length)) {
      const before = carry;
      const lossOf = () => {
        const next = streamLoss(model, segment, batch.size, before, options);
        carry = next.carry;
        return [next.loss, next.carry] as const;
      };
      taken.push(
        await take(() => {
          const [[loss], gradients] = valueAndGrad(lossOf, model.parameters())();
          return [loss, gradients];
        }),
      );
      disposeAll(before);
    }
    disposeAll(carry);
    return taken;
  });

  for (const [i, { forwards, loss, grads }] of steps.entries()) {
    let replays = 0;
    for (const [j, forward] of forwards.entries()) {
      const path = forward.kind === 'main' ? '' : `replays.${replays++}.`;
      const named = { path, field: `steps[${i}].forwards[${j}]`, targets, time: config.tgt_len };
      yield* compareForward(forward, all[i].seen, named, tolerance);
    }
    yield compare(`steps[${i}].loss`, [all[i].loss], [loss], tolerance);
    yield* compareNamed(`steps[${i}].grads`, all[i].gradients, grads, tolerance);
  }
}

function rulesOf(config: SyntheticCase['config']): StateRules {
  return {
    independent: config.independent_segments,
    resetMemory: config.reset_mem_each_segment,
  };
}

/** A loss, its gradients and the observed values, read back. */
interface Taken {
  loss: number;
  /** By the reference's names. */
  gradients: Record<string, HostArray>;
  /** The observed values, by their full names. */
  seen: Record<string, HostArray>;
}

/** Computes a loss and its gradients under observation, reads everything back, and frees it. */
async function take(compute: () => [Tensor, Record<string, Tensor>]): Promise<Taken> {
  // Fixtures have no attention weights. Not requesting them keeps the fused attention.
  const isCompared = (name: string) =>
    /(^|\.)(logits|memory\.(read|written)|cache\.\d+)$/.test(name);
  const { result, seen } = observe(compute, isCompared);
  const [loss, gradients] = result;
  const taken = {
    loss: await loss.item(),
    gradients: toReference(await readArrays(gradients)),
    seen: await readArrays(Object.fromEntries(seen)),
  };
  disposeAll([loss, gradients, ...seen.values()]);
  return taken;
}

/** Names the values of a forward pass. */
interface ForwardNames {
  /** The prefix of their names in the observed values. */
  path: string;
  /** The name of the pass in the fixture. */
  field: string;
  /** The targets of the whole sequence. */
  targets: FixtureTensor;
  /** Rows per segment. */
  time: number;
}

function* compareForward(
  { segment, loss_mean, mem_in, mem_out, logits, nll, mems_out }: Forward,
  seen: Taken['seen'],
  { path, field, targets, time }: ForwardNames,
  tolerance: number,
): Generator<ParityRow, void, void> {
  const named = (name: string): Float64Array => {
    const found = seen[path + name];
    if (found) return timeMajor(found);
    throw new MemgradError(
      `${field} has values for '${name}', which the configured model does not compute; the two do not belong together.`,
    );
  };
  const against = (name: string, ours: ArrayLike<number>, expected: ArrayLike<number>) =>
    compare(`${field}.${name}`, ours, expected, tolerance);

  if (logits) yield against('logits', named('logits'), logits.data);
  if (nll || loss_mean !== null) {
    const rows = time * targets.shape[1];
    const losses = lossesOf(
      named('logits'),
      targets.data.slice(segment * rows, (segment + 1) * rows),
    );
    if (nll) yield against('nll', losses, nll.data);
    const mean = losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
    if (loss_mean !== null) yield against('loss_mean', [mean], [loss_mean]);
  }
  if (mem_in) yield against('mem_in', named('memory.read'), mem_in.data);
  if (mem_out) yield against('mem_out', named('memory.written'), mem_out.data);
  for (const [i, { data }] of (mems_out ?? []).entries()) {
    yield against(`mems_out[${i}]`, named(`cache.${i}`), data);
  }
}

/**
 * Cross-entropy of each target with its row of `logits`, in plain JavaScript, independent of the
 * engine's loss.
 */
function lossesOf(logits: Float64Array, targets: readonly number[]): number[] {
  const width = logits.length / targets.length;
  return targets.map((target, i) => {
    const row = logits.subarray(i * width, (i + 1) * width);
    const largest = row.reduce((a, b) => Math.max(a, b));
    const total = row.reduce((sum, logit) => sum + Math.exp(logit - largest), 0);
    return largest + Math.log(total) - row[target];
  });
}
