/** One forward and backward pass: the loss, the gradients and their norms. */
import { globalNorm, Parameter, type Tensor, treeLeaves, valueAndGrad } from '../autograd/index.js';
import type { Lesson } from './lessons.js';
import type { Named } from './optimizers.js';
import type { Carry } from './stream-loss.js';

/** The result of a pass. The caller frees it with `freePass`. */
export interface Pass {
  loss: Tensor;
  /** int32 [size, time] for each segment with targets that count. */
  predictions: Tensor[];
  gradients: Named<Tensor>;
  /** Norms of the gradients by layer. */
  layerNorms: Record<string, Tensor>;
  /** For each segment, the norms of the gradient by each part of the state before it. */
  stateNorms: Tensor[][];
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

/** Computes the loss and the gradients of a lesson, from its `inputs()`. */
export function takePass(parameters: Named<Tensor>, lesson: Lesson, inputs: unknown): Pass {
  const stateNorms: Tensor[][] = Array.from({ length: lesson.segments }, () => []);
  const lossOf = () => {
    const { loss, predictions, carry } = lesson.loss(inputs, (segment, gradient) =>
      // A parameter, since it must outlive the scopes of the backward pass.
      stateNorms[segment].push(new Parameter(globalNorm([gradient]))),
    );
    return [loss, { predictions, carry }] as const;
  };
  try {
    const [[loss, rest], gradients] = valueAndGrad(lossOf, parameters)();
    return { loss, ...rest, gradients, layerNorms: normsByLayer(gradients), stateNorms };
  } catch (error) {
    for (const norm of stateNorms.flat()) norm.dispose();
    throw error;
  }
}

function normsByLayer(gradients: Named<Tensor>): Record<string, Tensor> {
  const groups: Record<string, Tensor[]> = {};
  for (const [name, gradient] of Object.entries(gradients)) {
    const layer = /^(.*\blayers\.\d+)\./.exec(name)?.[1] ?? name;
    groups[layer] ??= [];
    groups[layer].push(gradient);
  }
  return Object.fromEntries(
    Object.entries(groups).map(([layer, tensors]) => [layer, globalNorm(tensors)]),
  );
}

/** Reads the norms of a pass as numbers. */
export async function readNorms({ layerNorms, stateNorms }: Pass): Promise<GradientNorms> {
  const read = (norms: readonly Tensor[]) => Promise.all(norms.map((norm) => norm.item()));
  const names = Object.keys(layerNorms);
  const layers = await read(Object.values(layerNorms));
  return {
    gradientNorm: Math.hypot(...layers),
    segmentGradientNorms: await Promise.all(
      stateNorms.map(async (parts) => Math.hypot(...(await read(parts)))),
    ),
    layerGradientNorms: Object.fromEntries(names.map((name, i) => [name, layers[i]])),
  };
}

/** Frees all tensors of a pass. */
export function freePass(pass: Pass): void {
  for (const tensor of treeLeaves(pass)) tensor.dispose();
}
