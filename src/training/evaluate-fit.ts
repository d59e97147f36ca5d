/** The loss of `fit`: its contract, its checks, and its mean over held-out batches. */
import {
  cast,
  concat,
  identity,
  type Key,
  type Parameter,
  reshape,
  scope,
  stopGradient,
  Tensor,
} from '../autograd/index.js';
import { refusePromise } from '../autograd/scope.js';
import { uncaptured } from '../autograd/transforms/capture.js';
import { describe, MemgradError } from '../errors.js';
import {
  callable,
  checkNames,
  checkOptions,
  needed,
  type OptionNames,
  requireThat,
} from '../options.js';
import { type Batches, requireIterable, type Uploaded, uploaded } from './batches.js';
import type { FitOptions } from './fit.js';
import type { Named } from './optimizers/optimizer.js';
import { type ParametersOf, parametersOf } from './parameters.js';
import type { LessonLoss } from './step.js';

/** What a loss may depend on besides its batch. */
export interface LossContext<B = unknown> {
  /** The key of this step's random numbers, such as dropout; undefined in an evaluation. */
  readonly key: Key | undefined;
  /** The number of the step. A step in which the loss reads it is not captured. */
  readonly step: number;
  /** The batch as it was drawn, before its arrays became tensors. Reading it is like reading `step`. */
  readonly drawn: B;
}

/** The result of a loss: a scalar, or a scalar with metrics, which are scalars too. */
export type LossResult = Tensor | { loss: Tensor; metrics?: Readonly<Record<string, Tensor>> };

/** Options of `evaluateFit`, with the same meaning as those of `fit`. */
export type EvaluateFitOptions<
  B = unknown,
  P extends ParametersOf<P> = Readonly<Record<string, Parameter>>,
> = Pick<FitOptions<B, P>, 'model' | 'parameters' | 'loss' | 'batches'>;

/** The mean loss and metrics over held-out batches. */
export interface FitEvaluation {
  readonly loss: number;
  readonly metrics: Readonly<Record<string, number>>;
}

/**
 * Returns the mean loss and metrics over all batches, as `fit` computes them on `evaluate`: without a
 * key, and with 0 as the step. Throws `MemgradError` for options out of range, for a loss that isn't a
 * scalar, and where there is no batch.
 *
 * @example
 * ```js
 * import { mean, mul, Parameter, square, sub, tensor } from 'memgrad';
 * import { evaluateFit } from 'memgrad/training';
 *
 * const w = new Parameter(tensor(2));
 * const loss = ({ x, y }) => mean(square(sub(mul(w, x), y)));
 * console.log(await evaluateFit({ parameters: { w }, loss, batches: [{ x: [1, 2], y: [2, 3] }] }));
 * // => { loss: 0.5, metrics: {} }
 * ```
 */
export async function evaluateFit<B, P extends ParametersOf<P> = Named<Parameter>>(
  options: EvaluateFitOptions<B, P>,
): Promise<FitEvaluation> {
  const where = 'evaluateFit';
  checkOptions<EvaluateFitOptions<B, P>>(where, options, fittedKinds);
  const parameters = checkFitted(where, options);
  const found = await evaluated(`${where}: batches`, options, parameters, options.batches, 0);
  return found as FitEvaluation; // there is no signal
}

/** The mean loss and metrics over all `batches`; undefined if it was aborted. */
export async function evaluated<B>(
  where: string,
  { loss: f, signal }: Pick<FitOptions<B>, 'loss' | 'signal'>,
  parameters: Named<Parameter>,
  batches: Batches<B>,
  step: number,
): Promise<FitEvaluation | undefined> {
  const [like] = Object.values(parameters);
  const sums = new Map<string, number>();
  let total = 0;
  let count = 0;
  for await (const drawn of batches as Iterable<B>) {
    if (signal?.aborted) return undefined;
    const { numbers, names } = scope(() => {
      const batch = uploaded(drawn, like) as Uploaded<B>;
      const { loss, metrics } = lossOf(where.split(':')[0], f, batch, {
        key: undefined,
        step,
        drawn,
      });
      const scalars = [loss, ...Object.values(metrics)].map((scalar) => reshape(scalar, [1]));
      return { numbers: concat(scalars, 0), names: Object.keys(metrics) };
    });
    const [loss, ...values] = await numbers.data().finally(() => numbers.dispose());
    total += loss;
    const [before, found] = [[...sums.keys()], names].map((list) => list.toSorted().join(', '));
    if (count > 0 && before !== found) {
      throw new MemgradError(
        `${where}: loss returned the metrics ${found || 'none'} after ${before || 'none'}; all batches must have the same.`,
      );
    }
    count++;
    names.forEach((name, i) => {
      sums.set(name, (sums.get(name) ?? 0) + values[i]);
    });
  }
  if (count === 0) {
    throw new MemgradError(
      `${where} has no batch, or can't be iterated again; pass an array of batches.`,
    );
  }
  const metrics = [...sums].map(([name, sum]) => [name, sum / count]);
  return { loss: total / count, metrics: Object.fromEntries(metrics) };
}

/** Calls the loss, and checks what it returns. */
export function lossOf<B>(
  where: string,
  f: FitOptions<B>['loss'],
  batch: Uploaded<B>,
  { key, step, drawn }: LossContext<B>,
): Required<Pick<LessonLoss, 'loss' | 'metrics'>> {
  const result: unknown = f(batch, {
    key,
    get step() {
      uncaptured();
      return step;
    },
    get drawn() {
      uncaptured();
      return drawn;
    },
  });
  refusePromise(`${where}: loss`, result);
  const { loss, metrics = {} } = (
    result instanceof Tensor ? { loss: result } : Object(result)
  ) as Exclude<LossResult, Tensor>;
  if (!isScalar(loss) || loss.dtype === 'int32') {
    throw new MemgradError(
      `${where}: loss must return a float scalar, or { loss, metrics }, got ${describe(loss ?? result)}; end it with mean or sum.`,
    );
  }
  if (!(result instanceof Tensor)) {
    checkNames(`${where}: the result of loss`, result, { loss: 1, metrics: 1 });
  }
  const isRecord = typeof metrics === 'object' && metrics !== null && !(metrics instanceof Tensor);
  requireThat(isRecord, `${where}: the metrics of loss`, 'scalars by name', metrics);
  const scalars = Object.entries(metrics).map(([name, metric]) => {
    requireThat(
      isScalar(metric),
      `${where}: the metric ${describe(name)}`,
      'a scalar tensor',
      metric,
    );
    return [name, stopGradient(reshape(cast(metric, loss.dtype), []))] as const;
  });
  return { loss: identity(reshape(loss, [])), metrics: Object.fromEntries(scalars) };
}

const isScalar = (value: unknown): value is Tensor => value instanceof Tensor && value.size === 1;

/** The kinds of `EvaluateFitOptions`. */
export const fittedKinds: OptionNames<EvaluateFitOptions> = {
  model: 1,
  parameters: 1,
  loss: needed(callable),
  batches: 1,
};

/** Throws `MemgradError` unless there are batches, and either a model or parameters, which it returns. */
export function checkFitted(
  where: string,
  { model, parameters, batches }: { model?: object; parameters?: object; batches: unknown },
): Named<Parameter> {
  requireOne(where, { model, parameters });
  requireIterable(`${where}: batches`, batches);
  return parametersOf(where, (model ?? parameters) as object);
}

/** Throws `MemgradError` unless exactly one of `choices` is given. */
export function requireOne(where: string, choices: Readonly<Record<string, unknown>>): void {
  const given = Object.values(choices).filter((value) => value !== undefined);
  if (given.length === 1) return;
  const found = given.length === 0 ? 'neither' : `both: ${given.map(describe).join(' and ')}`;
  throw new MemgradError(
    `${where}: expected either ${Object.keys(choices).join(' or ')}, got ${found}.`,
  );
}
