/** What an explanation says. */

import type { OperationName } from '../autograd/operations/table.js';
import type { DType } from '../backends/backend.js';

/** A variable, a number that was written down, or an operation that ran. */
export interface ExplainedNode {
  /** Its place in `Explanation.nodes`, which is the order in which they were computed. */
  readonly id: number;
  readonly kind: 'variable' | 'constant' | 'operation';
  /** As it was assigned; h₂ the second time, and v₁, v₂ and so on where it was not. */
  readonly name: string;
  /** Of an operation. */
  readonly operation?: OperationName;
  /** Which nodes it was computed from, one place for each argument. */
  readonly inputs: readonly number[];
  /** What they are called: `a` and `b` of mul. */
  readonly inputNames: readonly string[];
  /** The other arguments and the options. */
  readonly plain: Readonly<Record<string, unknown>>;
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** Row-major. */
  readonly value: readonly number[];
  /** The derivative of the result by it; undefined where none is taken: numbers, and what no gradient reaches. */
  readonly gradient: readonly number[] | undefined;
  /** The operations of the engine that it ran as: for `mean` a sum and a division. */
  readonly ranAs: readonly string[];
  /** Where it stands in the expression. */
  readonly start: number;
  readonly end: number;
}

/** What the gradient rule of an operation sent to one of its inputs. */
export interface Contribution {
  /** The node that it goes to. */
  readonly to: number;
  /** Which argument of the operation that is. */
  readonly input: number;
  readonly value: readonly number[];
  /** The gradient that the node had before, where an operation later in the expression uses it too. */
  readonly before: readonly number[] | undefined;
  /** The gradient that it has now: the sum. */
  readonly total: readonly number[];
}

/** One operation of the backward pass. */
export interface BackwardStep {
  readonly node: number;
  /** The gradient of its result, complete: whatever uses it has been before. */
  readonly incoming: readonly number[];
  /** In the order in which the engine adds them. */
  readonly contributions: readonly Contribution[];
}

/** An expression with all that was computed, forward and backward. */
export interface Explanation {
  readonly expression: string;
  readonly nodes: readonly ExplainedNode[];
  /** The node that is differentiated. */
  readonly result: number;
  /** Whether it is a sum that was added, since only of a single number there is a gradient. */
  readonly summed: boolean;
  /** The backward pass in the order of the engine. It begins with a gradient of 1 at the result. */
  readonly backward: readonly BackwardStep[];
  /** The variables to which no value was given, and which have a default. */
  readonly defaults: readonly string[];
}
