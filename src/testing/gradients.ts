/** Compares every operation's gradient with central differences, at first and second order. */
import type { GradientCheckOptions } from '../autograd/index.js';
import { type OperationName, operationNames } from '../autograd/operations/table.js';
import { opaquely } from '../autograd/run.js';
import { checkGradientsInside } from '../autograd/transforms/gradcheck.js';
import type { Backend } from '../backends/backend.js';
import { createCpuBackend } from '../backends/cpu/index.js';
import { backendKind, checkOptions } from '../options.js';
import { upload, withFloats } from './case.js';
import { cases } from './cases.js';
import { selectOperations } from './select.js';

/** Options of `checkAllGradients`. */
export interface AllGradientsOptions extends GradientCheckOptions {
  /** Check these operations only. Default: all that have a gradient. */
  operations?: readonly string[];
  /** The backend, which must support float64. Default: the cpu backend. */
  backend?: Backend;
}

/** The gradient check of one pattern of one operation, with one kind of rule. */
export interface GradientRow {
  readonly operation: OperationName;
  readonly pattern: string;
  /**
   * `own`: every operation used its own gradient rule, as on a backend with kernels for fused
   * operations. `definition`: fused operations ran as the simpler ones that define them.
   */
  readonly rule: 'own' | 'definition';
  /** The fused operations whose own rule was checked, including those that compute gradients; empty for `definition`. */
  readonly fused: readonly string[];
  /** The largest absolute error of each order. */
  readonly errors: readonly number[];
  readonly passed: boolean;
  /** The worst derivative. */
  readonly worst: string;
}

/** The operations that have a gradient. */
export const differentiableNames: readonly OperationName[] = operationNames.filter(
  (name) => cases[name].differentiable === true,
);

/**
 * Checks the gradient of every operation in every pattern against central differences in float64,
 * as `checkGradients` does, one row at a time. Where a fused operation runs, there are two rows:
 * one with its own gradient rule, one with its definition. Throws `MemgradError` for an operation
 * that is unknown or has no gradient.
 *
 * @example
 * ```js
 * import { checkAllGradients } from 'memgrad/testing';
 *
 * const verdicts = new Set();
 * for await (const { passed } of checkAllGradients({ operations: ['mul'] })) verdicts.add(passed);
 * console.log([...verdicts]); // => [ true ]
 * ```
 */
export async function* checkAllGradients(
  options: AllGradientsOptions = {},
): AsyncGenerator<GradientRow, void> {
  checkOptions('checkAllGradients', options, {
    order: 1,
    epsilon: 1,
    tolerance: 1,
    operations: 1,
    backend: backendKind,
  });
  const { operations, backend = createCpuBackend(), ...check } = options;
  for (const operation of selectOperations('gradcheck', differentiableNames, operations)) {
    for (const { pattern, inputs, call, only } of cases[operation].patterns) {
      if (only || !inputs.some(({ dtype }) => dtype === 'float')) continue;
      const args = inputs.map((input) => upload(input, backend, 'float64'));
      const checkInside = (around: <T>(compute: () => T) => T) =>
        checkGradientsInside(
          around,
          (...floating) => call(withFloats(args, floating), 'float64'),
          args.filter((arg) => arg.dtype !== 'int32'),
          check,
        );
      const fused = new Set<string>();
      const own = await checkInside((compute) => opaquely(compute, (name) => fused.add(name)));
      const defined = fused.size > 0 && (await checkInside((compute) => compute()));
      for (const arg of args) arg.dispose();
      yield { operation, pattern, rule: 'own', fused: [...fused].sort(), ...own };
      if (defined) yield { operation, pattern, rule: 'definition', fused: [], ...defined };
    }
  }
}
