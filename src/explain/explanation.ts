/** The contents of an explanation. */

import type { OperationName } from '../autograd/operations/table.js';
import type { DType } from '../backends/backend.js';

/** A variable, a literal, or an operation that ran. */
export interface ExplainedNode {
  /** Its index in `Explanation.nodes`, which is the order of computation. */
  readonly id: number;
  readonly kind: 'variable' | 'constant' | 'operation';
  /** Its assigned name, such as h, or h₂ for the second assignment; otherwise v₁, v₂ and so on. */
  readonly name: string;
  /** The operation, for an operation. */
  readonly operation?: OperationName;
  /** The ids of its input nodes, in the order of the arguments. */
  readonly inputs: readonly number[];
  /** The names of these arguments, such as `a` and `b` for mul. */
  readonly inputNames: readonly string[];
  /** The arguments that aren't computed, and the options. */
  readonly plain: Readonly<Record<string, unknown>>;
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** Row-major. */
  readonly value: readonly number[];
  /**
   * The derivative of the result with respect to this node; undefined for constants, and where no
   * gradient arrives.
   */
  readonly gradient: readonly number[] | undefined;
  /** The engine operations that it ran as: for `mean`, a sum and a division. */
  readonly ranAs: readonly string[];
  /** The range of its source in the expression. */
  readonly start: number;
  readonly end: number;
}

/** The gradient that the rule of an operation sent to one of its inputs. */
export interface Contribution {
  /** The id of the receiving node. */
  readonly to: number;
  /** The index of that input in `inputs` of the operation. */
  readonly input: number;
  readonly value: readonly number[];
  /**
   * The gradient that the node had before, if an operation later in the expression uses it, too.
   */
  readonly before: readonly number[] | undefined;
  /** The sum: the gradient that the node has now. */
  readonly total: readonly number[];
}

/** One operation of the backward pass. */
export interface BackwardStep {
  readonly node: number;
  /** The gradient of its result, which is complete: all users of the result have been processed. */
  readonly incoming: readonly number[];
  /** The contributions, in the order in which the engine adds them. */
  readonly contributions: readonly Contribution[];
}

/** An expression with everything that was computed, forward and backward. */
export interface Explanation {
  readonly expression: string;
  readonly nodes: readonly ExplainedNode[];
  /** The id of the node that is differentiated. */
  readonly result: number;
  /** Whether a sum was added as the result, since only a single number has a gradient. */
  readonly summed: boolean;
  /** The backward pass in the engine's order. It begins with a gradient of 1 at the result. */
  readonly backward: readonly BackwardStep[];
  /** The variables without a given value, which have a default. */
  readonly defaults: readonly string[];
}
