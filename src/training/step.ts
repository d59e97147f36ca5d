/** One forward and backward pass: the loss, the gradients and their norms. */
import {
  add,
  concat,
  globalNorm,
  mul,
  Parameter,
  reshape,
  scope,
  type Tensor,
  treeLeaves,
  valueAndGrad,
} from '../autograd/index.js';
import { globalNorms } from '../autograd/operations/adam.js';
import { MemgradError } from '../errors.js';
import type { Named } from './optimizers/optimizer.js';
import type { ReadOptions } from './segments.js';
import type { Carry } from './stream-loss.js';

/** What a lesson computes from one part of its data. */
export interface LessonLoss {
  loss: Tensor;
  /** Scalars that are read together with the loss. */
  metrics?: Named<Tensor>;
  /** Tensors that are read after the pass. */
  predictions: Tensor[];
  /** The state that a stream carries to its next step. */
  carry?: Carry;
}

/** The data of one step. */
export interface Lesson<Report> {
  /**
   * Uploads the data, in one part or several: the arguments of a captured loss. The loss of the step
   * is the mean of the losses of all parts.
   */
  inputs(): readonly unknown[];
  /**
   * Computes the loss of one part of `inputs` for differentiation. The backward pass calls
   * `seeStateGradient` with the gradient by the state before each segment.
   */
  loss(part: unknown, seeStateGradient: ReadOptions['seeStateGradient']): LessonLoss;
  /** Number of segments that `seeStateGradient` is called for. */
  readonly segments: number;
  /** What the step reports, from the predictions and metrics of the pass. */
  report(
    predictions: readonly ArrayLike<number>[],
    metrics: Readonly<Record<string, number>>,
  ): Report;
  /** Called once the parameters have changed; the lesson then owns `carry`. */
  taken?(report: Report, carry: Carry | undefined): void;
}

/** The result of a pass. The caller frees it with `freePass`. */
export interface Pass {
  /** int32 [size, time] for each segment with targets that count. */
  predictions: Tensor[];
  gradients: Named<Tensor>;
  /**
   * The loss, the norms of the gradients by layer, for each segment the norms of the gradient by
   * each part of the state before it, and the metrics: one tensor, so that they are read in one call.
   */
  numbers: Tensor;
  /** The layers whose norms `numbers` has. */
  layers: string[];
  /** How many parts the state before each segment has. */
  stateParts: number[];
  /** The names of the metrics. */
  metrics: string[];
  /** The state that a stream carries to its next step. */
  carry: Carry | undefined;
}

/** The norms of a pass as numbers. */
export interface GradientNorms {
  /** The norm of all gradients together. */
  readonly gradientNorm: number;
  /**
   * The norm of the gradient by the state before each segment: how strongly later segments depend
   * on what crosses the border. 0 for a model that carries nothing, or nothing with a gradient.
   */
  readonly segmentGradientNorms: readonly number[];
  /**
   * The norm of the gradients of each layer, `decoder.layers.0`, and of each parameter outside of
   * layers.
   */
  readonly layerGradientNorms: Readonly<Record<string, number>>;
}

/** The numbers of a pass. */
export interface PassNumbers extends GradientNorms {
  readonly loss: number;
  readonly metrics: Readonly<Record<string, number>>;
}

/** Computes the loss and the gradients of a lesson, from its `inputs()`. */
export function takePass(
  parameters: Named<Tensor>,
  lesson: Lesson<unknown>,
  parts: readonly unknown[],
): Pass {
  // Parameters, since they must outlive the scopes of the backward pass.
  const stateNorms: Parameter[][] = Array.from({ length: lesson.segments }, () => []);
  const see = (segment: number, gradient: Tensor) =>
    void stateNorms[segment].push(new Parameter(globalNorm([gradient])));
  try {
    const {
      loss,
      metrics = {},
      gradients,
      ...rest
    } = meanOf(parts.map((part) => () => differentiate(parameters, lesson, part, see)));
    const layers = byLayer(gradients);
    const layerNorms = globalNorms(Object.values(layers));
    const numbers = [loss, layerNorms, ...stateNorms.flat(), ...Object.values(metrics)];
    return {
      predictions: rest.predictions,
      carry: rest.carry,
      gradients,
      numbers: concat(
        numbers.map((number) => reshape(number, [-1])),
        0,
      ),
      layers: Object.keys(layers),
      stateParts: stateNorms.map((norms) => norms.length),
      metrics: Object.keys(metrics),
    };
  } finally {
    for (const norm of stateNorms.flat()) norm.dispose();
  }
}

type Differentiated = LessonLoss & { gradients: Named<Tensor> };

function differentiate(
  parameters: Named<Tensor>,
  lesson: Lesson<unknown>,
  part: unknown,
  see: ReadOptions['seeStateGradient'],
): Differentiated {
  const lossOf = () => {
    const { loss, ...rest } = lesson.loss(part, see);
    return [loss, rest] as const;
  };
  const [[loss, rest], gradients] = valueAndGrad(lossOf, parameters)();
  return { loss, ...rest, gradients };
}

/** The mean of losses, metrics and gradients. Holds those of one part besides their sums. */
function meanOf([first, ...others]: readonly (() => Differentiated)[]): Differentiated {
  let total = first();
  if (others.length === 0) return total;
  for (const other of others) {
    const before = total;
    total = scope(() => combined(before, other(), add));
    for (const tensor of treeLeaves(before)) tensor.dispose();
  }
  const sums = total;
  const mean = scope(() => combined(sums, sums, (sum) => mul(sum, 1 / (1 + others.length))));
  for (const tensor of treeLeaves(sums)) tensor.dispose();
  return mean;
}

/** Combines two results number by number. */
function combined(
  a: Differentiated,
  b: Differentiated,
  combine: (a: Tensor, b: Tensor) => Tensor,
): Differentiated {
  const both = (x: Named<Tensor> = {}, y: Named<Tensor> = {}) =>
    Object.fromEntries(Object.keys(x).map((name) => [name, combine(x[name], y[name])]));
  const [names, others] = [a, b].map(({ metrics = {} }) => Object.keys(metrics).sort().join(', '));
  if (names !== others) {
    throw new MemgradError(
      `fit: loss returned the metrics ${others || 'none'} after ${names || 'none'}; batches of one step must have the same.`,
    );
  }
  return {
    loss: combine(a.loss, b.loss),
    metrics: both(a.metrics, b.metrics),
    gradients: both(a.gradients, b.gradients),
    predictions: [],
  };
}

function byLayer(gradients: Named<Tensor>): Record<string, Tensor[]> {
  const groups: Record<string, Tensor[]> = {};
  for (const [name, gradient] of Object.entries(gradients)) {
    const layer = /^(.*\blayers\.\d+)\./.exec(name)?.[1] ?? name;
    groups[layer] ??= [];
    groups[layer].push(gradient);
  }
  return groups;
}

/** Reads the numbers of a pass. */
export async function readNumbers(pass: Pass): Promise<PassNumbers> {
  const { numbers, layers, stateParts, metrics } = pass;
  const [loss, ...norms] = await numbers.data();
  const layerNorms = norms.splice(0, layers.length);
  return {
    loss,
    gradientNorm: Math.hypot(...layerNorms),
    segmentGradientNorms: stateParts.map((count) => Math.hypot(...norms.splice(0, count))),
    layerGradientNorms: Object.fromEntries(layers.map((name, i) => [name, layerNorms[i]])),
    metrics: Object.fromEntries(metrics.map((name, i) => [name, norms[i]])),
  };
}

/** Frees all tensors of a pass. */
export function freePass(pass: Pass): void {
  for (const tensor of treeLeaves(pass)) tensor.dispose();
}
