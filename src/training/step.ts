/** One forward and backward pass: the loss, the gradients and their norms. */
import {
  concat,
  globalNorm,
  Parameter,
  reshape,
  type Tensor,
  treeLeaves,
  valueAndGrad,
} from '../autograd/index.js';
import { globalNorms } from '../autograd/operations/adam.js';
import type { Lesson } from './lessons.js';
import type { Named } from './optimizers.js';
import type { Carry } from './stream-loss.js';

/** The result of a pass. The caller frees it with `freePass`. */
export interface Pass {
  /** int32 [size, time] for each segment with targets that count. */
  predictions: Tensor[];
  gradients: Named<Tensor>;
  /**
   * The loss, the norms of the gradients by layer, and for each segment the norms of the gradient by
   * each part of the state before it: one tensor, so that they are read in one call.
   */
  numbers: Tensor;
  /** The layers whose norms `numbers` has. */
  layers: string[];
  /** How many parts the state before each segment has. */
  stateParts: number[];
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
}

/** Computes the loss and the gradients of a lesson, from its `inputs()`. */
export function takePass(parameters: Named<Tensor>, lesson: Lesson, inputs: unknown): Pass {
  // Parameters, since they must outlive the scopes of the backward pass.
  const stateNorms: Parameter[][] = Array.from({ length: lesson.segments }, () => []);
  const lossOf = () => {
    const { loss, predictions, carry } = lesson.loss(inputs, (segment, gradient) =>
      stateNorms[segment].push(new Parameter(globalNorm([gradient]))),
    );
    return [loss, { predictions, carry }] as const;
  };
  try {
    const [[loss, rest], gradients] = valueAndGrad(lossOf, parameters)();
    const layers = byLayer(gradients);
    const layerNorms = globalNorms(Object.values(layers));
    const numbers = [loss, layerNorms, ...stateNorms.flat()];
    return {
      ...rest,
      gradients,
      numbers: concat(
        numbers.map((number) => reshape(number, [-1])),
        0,
      ),
      layers: Object.keys(layers),
      stateParts: stateNorms.map((norms) => norms.length),
    };
  } finally {
    for (const norm of stateNorms.flat()) norm.dispose();
  }
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
export async function readNumbers({ numbers, layers, stateParts }: Pass): Promise<PassNumbers> {
  const [loss, ...norms] = await numbers.data();
  const layerNorms = norms.splice(0, layers.length);
  return {
    loss,
    gradientNorm: Math.hypot(...layerNorms),
    segmentGradientNorms: stateParts.map((count) => Math.hypot(...norms.splice(0, count))),
    layerGradientNorms: Object.fromEntries(layers.map((name, i) => [name, layerNorms[i]])),
  };
}

/** Frees all tensors of a pass. */
export function freePass(pass: Pass): void {
  for (const tensor of treeLeaves(pass)) tensor.dispose();
}
