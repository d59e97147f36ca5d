/** Gradients of fused operations that have no rule of their own. */
import type { GradientRule, JointRule, Operation } from './operation.js';
import { vjp } from './transforms.js';

/** The rule for any argument of a fused operation: the gradient of its definition, which is run again. */
export function definitionGradient<Attributes>(
  definition: NonNullable<Operation<Attributes>['definition']>,
): GradientRule<Attributes> {
  return (g, { inputs, attributes, index }) => {
    const [, pullback] = vjp(
      (input) => definition(inputs.toSpliced(index, 1, input), attributes),
      inputs[index],
    );
    return pullback(g)[0];
  };
}

/** The same for all arguments at once. */
export function definitionGradients<Attributes>(
  definition: NonNullable<Operation<Attributes>['definition']>,
): JointRule<Attributes> {
  return (g, { inputs, attributes }, wanted) => {
    const which = inputs.flatMap((_, index) => (wanted[index] ? [index] : []));
    const [, pullback] = vjp(
      (...floating) => {
        const all = [...inputs];
        which.forEach((index, i) => {
          all[index] = floating[i];
        });
        return definition(all, attributes);
      },
      ...which.map((index) => inputs[index]),
    );
    const gradients = pullback(g);
    return inputs.map((_, index) => gradients[which.indexOf(index)]);
  };
}
