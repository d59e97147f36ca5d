/** Gradients of fused operations that have no rule of their own. */
import type { GradientRule, Operation } from './operation.js';
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
