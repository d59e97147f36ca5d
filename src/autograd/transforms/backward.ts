/** The backward pass, which walks a tape from its outputs back to its leaves. */
import { context, inside } from '../context.js';
import { filled } from '../create.js';
import { add } from '../operations/elementwise.js';
import { sumTo } from '../operations/reduction.js';
import { alias, type Operation } from '../run.js';
import { scope } from '../scope.js';
import { isRecording, type Operated, type Replayed, Tape } from '../tape.js';
import type { Tensor } from '../tensor.js';
import { atGradient } from './watch.js';

/**
 * Runs `f` on a new tape. Returns its result, and a function from the gradients of outputs
 * (undefined where none flows back) to the gradients of `leaves`, zeros for leaves that no gradient
 * reached. `f` must read the leaves directly.
 */
export function onTape<T>(
  leaves: readonly Tensor[],
  f: () => T,
): [
  result: T,
  backward: (
    outputs: readonly Tensor[],
    cotangents: readonly (Tensor | undefined)[],
  ) => readonly Tensor[],
] {
  const tape = new Tape(leaves.filter(({ dtype }) => dtype !== 'int32'));
  const result = inside({ recorders: [...context().recorders, tape] }, f);
  return [result, (outputs, cotangents) => backward(tape, outputs, cotangents, leaves)];
}

function backward(
  tape: Tape,
  outputs: readonly Tensor[],
  cotangents: readonly (Tensor | undefined)[],
  leaves: readonly Tensor[],
): readonly Tensor[] {
  const sums = new Sums();
  outputs.forEach((output, i) => {
    const cotangent = cotangents[i];
    if (cotangent && tape.tracks(output)) sums.add(tape, output, alias(cotangent));
  });
  walk(tape, sums);
  const gradients = new Set<Tensor>();
  for (const leaf of leaves) {
    const gradient = sums.of(tape, leaf) ?? filled('grad', leaf.shape, 0, leaf);
    gradients.add(gradients.has(gradient) ? alias(gradient) : gradient); // each has an owner who may free it
  }
  return [...gradients];
}

/**
 * The sums of the gradients that have arrived at each tensor. If nothing records the backward pass,
 * a sum is freed as soon as it has been passed on; every contribution must then be a separate
 * tensor.
 */
class Sums {
  readonly freeing = !isRecording();
  readonly #byBase = new Map<Tensor, Tensor>();

  of(tape: Tape, target: Tensor): Tensor | undefined {
    return this.#byBase.get(tape.baseOf(target));
  }

  all(): Tensor[] {
    return [...this.#byBase.values()];
  }

  add(tape: Tape, target: Tensor, contribution: Tensor): void {
    const base = tape.baseOf(target);
    const earlier = this.#byBase.get(base);
    if (base === target && !earlier) {
      this.#byBase.set(base, contribution);
      return;
    }
    const shaped = base === target ? contribution : alias(contribution, base.shape);
    this.#byBase.set(base, earlier ? add(earlier, shaped) : shaped);
    if (!this.freeing) return;
    if (shaped !== contribution) contribution.dispose();
    if (!earlier) return;
    earlier.dispose();
    shaped.dispose();
  }

  /** Frees the gradient of `target` after it has been passed on. */
  done(tape: Tape, target: Tensor): void {
    const base = tape.baseOf(target);
    if (this.freeing) this.#byBase.get(base)?.dispose();
    this.#byBase.delete(base);
  }
}

/** Passes gradients back along the tape, entry by entry. */
function walk(tape: Tape, sums: Sums): void {
  for (let i = tape.entries.length - 1; i >= 0; i--) {
    const entry = tape.entries[i];
    const received = entry.outputs.map((output) => sums.of(tape, output));
    if (!received.some((gradient) => gradient)) continue;
    if ('replay' in entry) walkAgain(entry, tape, received, sums);
    else {
      const contributions = ownedBy(sums, () => pull(entry, tape, received));
      entry.inputs.forEach((input, j) => {
        const contribution = contributions[j];
        if (contribution) sums.add(tape, input, contribution);
      });
    }
    for (const output of entry.outputs) sums.done(tape, output);
  }
}

/**
 * Computes the gradients of those inputs of `entry` that `tape` tracks, in the shapes of the
 * inputs.
 */
function pull(
  entry: Operated,
  tape: Tape,
  received: readonly (Tensor | undefined)[],
): (Tensor | undefined)[] {
  const { operation, inputs, path } = entry;
  const wanted = inputs.map((input) => tape.tracks(input));
  return atGradient(operation.name, path, () => {
    const pulled = pullback(entry, received, wanted);
    return inputs.map((input, j) => {
      const gradient = wanted[j] ? pulled[j] : undefined;
      return gradient && sumTo(gradient, input.shape); // broadcasting is undone here
    });
  });
}

/**
 * Computes the gradients of the `wanted` inputs of `entry` from the gradients of its outputs, by
 * the rules of its operation.
 */
export function pullback(
  { operation, inputs, outputs, attributes }: Operated,
  received: readonly (Tensor | undefined)[],
  wanted: readonly boolean[],
): readonly (Tensor | undefined)[] {
  const { gradients, definition } = operation;
  const byDefinition = (which: readonly boolean[]) => {
    if (definition) return pullbackOf(definition, inputs, attributes, received, which);
    throw new Error(`${operation.name}: no rule and no definition`);
  };
  if (gradients === 'definition') return byDefinition(wanted);
  const arrived = received.map(
    (gradient, i) => gradient ?? filled('grad', outputs[i].shape, 0, outputs[i]),
  );
  const call = { inputs, outputs, attributes };
  if (typeof gradients === 'function') {
    return inputs.map((_, index) =>
      wanted[index] ? gradients(arrived, { ...call, index }) : undefined,
    );
  }
  if ('none' in gradients) return [];
  if ('together' in gradients) return gradients.together(arrived, call, wanted);
  const left = wanted.map((isWanted, index) => isWanted && gradients[index] === 'definition');
  const rest = left.includes(true) ? byDefinition(left) : [];
  return inputs.map((_, index) => {
    const rule = gradients[index];
    return wanted[index] && typeof rule === 'function'
      ? rule(arrived, { ...call, index })
      : rest[index];
  });
}

/**
 * Computes the gradients of `definition` with respect to the `wanted` inputs, by running it again
 * on a tape of its own.
 */
export function pullbackOf<Attributes>(
  definition: (inputs: readonly Tensor[], attributes: Attributes) => readonly Tensor[],
  inputs: readonly Tensor[],
  attributes: Attributes,
  cotangents: readonly (Tensor | undefined)[],
  wanted: readonly boolean[],
): (Tensor | undefined)[] {
  // The same tensor may be passed for several inputs: each gets a gradient of its own.
  const own = inputs.map((input, i) => (wanted[i] ? alias(input) : input));
  const leaves = own.filter((_, i) => wanted[i]);
  const [outputs, backward] = onTape(leaves, () => definition(own, attributes));
  const gradients = backward(outputs, cotangents).values();
  return wanted.map((isWanted) => (isWanted ? gradients.next().value : undefined));
}

/**
 * Computes the gradients of `operation` with respect to its floating-point inputs by
 * differentiating its definition. `all` is `[...inputs, gradient of the result]`. This is the
 * definition of operations whose kernel computes these gradients.
 */
export function gradientsOf<Attributes>(
  { name, definition }: Operation<Attributes>,
  all: readonly Tensor[],
  attributes: Attributes,
): readonly Tensor[] {
  if (!definition) throw new Error(`${name}: no definition`);
  const [inputs, cotangents] = [all.slice(0, -1), all.slice(-1)];
  const floating = inputs.map(({ dtype }) => dtype !== 'int32');
  const gradients = pullbackOf(definition, inputs, attributes, cotangents, floating);
  return gradients.filter((gradient) => gradient !== undefined);
}

/**
 * Runs `compute`. If `sums` frees, returns separate new tensors, and frees everything else that
 * `compute` made.
 */
function ownedBy(
  { freeing }: Sums,
  compute: () => (Tensor | undefined)[],
): readonly (Tensor | undefined)[] {
  if (!freeing) return compute();
  const made = new Set<Tensor>();
  const outer = context().scope;
  try {
    return inside({ scope: made }, compute).map((gradient) => {
      if (!gradient) return undefined;
      const owned = made.delete(gradient) ? gradient : alias(gradient);
      owned.own(outer);
      return owned;
    });
  } finally {
    for (const tensor of made) tensor.dispose();
  }
}

/**
 * Runs the function of `entry` again, this time on a tape, and walks that tape backwards. Gradients
 * of the tensors that the function reads are added to the sums of the whole pass one by one, in the
 * order in which they would arrive without a checkpoint, so the bits are the same.
 */
function walkAgain(
  { inputs, path, replay }: Replayed,
  outer: Tape,
  received: readonly (Tensor | undefined)[],
  sums: Sums,
): void {
  const again = () => {
    const leaves = inputs.filter((input) => outer.tracks(input));
    const tape = new Tape(leaves, outer);
    const { recorders, path: around } = context();
    // An entry without a path ran unobserved, but the backward pass may be observed.
    const outputs = inside({ recorders: [...recorders, tape], path: path ?? around }, replay);
    outputs.forEach((output, i) => {
      const gradient = received[i];
      if (gradient && tape.tracks(output)) sums.add(tape, output, alias(gradient));
    });
    walk(tape, sums);
    return sums.all();
  };
  scope(again);
}
