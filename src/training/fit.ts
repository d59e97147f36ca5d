/** Training with a loss of one's own. */
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
import { callable, checkOptions, needed, requireThat, whole } from '../options.js';
import { type Batches, draw, requireIterable, type Uploaded, uploaded } from './batches.js';
import { type LoopOptions, loopKinds, type Objective, takeSteps } from './loop.js';
import type { Named } from './optimizers/optimizer.js';
import { type ParameterSource, type Parametrized, parametersOf } from './parameters.js';
import type { GradientNorms, LessonLoss } from './step.js';

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

/** Options of `fit`. */
export interface FitOptions<B = unknown> extends LoopOptions {
  /** What to train: a model with `parameters()`. */
  model?: Parametrized;
  /** What to train: parameters by name. Pass either these or a model. */
  parameters?: Readonly<Record<string, Parameter>>;
  /**
   * Computes the loss of a batch, whose typed, nested and shaped arrays have become tensors on the
   * backend of the parameters; lists of numbers have the dtype of the first one.
   */
  loss: (batch: Uploaded<B>, context: LossContext<B>) => LossResult;
  /**
   * Batches: trees of tensors, arrays and numbers. When the iterable ends, it is iterated again.
   * `stepsTaken` draws the batches of the steps taken and does nothing with them.
   */
  batches: Batches<B>;
  /** The number of the last step. Pass either this or `epochs`. */
  steps?: number;
  /** How often all batches are drawn. */
  epochs?: number;
  /**
   * Batches in each step, one pass after another; the loss and gradients of the step are the means of
   * theirs. The last step of all epochs may have fewer. Default 1.
   */
  accumulate?: number;
  /** Held-out batches. Every `evaluateEvery` steps and after step number `steps`, the loss is computed on them. */
  evaluate?: Batches<B>;
  /** Default 100. */
  evaluateEvery?: number;
  /**
   * Whether to record the kernels of a step for each combination of shapes, and replay them
   * (`capture`), which is faster for small models. It requires that the loss depends on nothing but
   * its batch, its key and parameters: a number or a tensor that changes later stays what it was.
   * Steps that differ at the first two recordings are noticed, and not captured. Default false.
   */
  capture?: boolean;
}

/** The mean loss and metrics over held-out batches. */
export interface FitEvaluation {
  readonly loss: number;
  readonly metrics: Readonly<Record<string, number>>;
}

/** The result of one step. Loss and metrics are of the parameters before the step; norms are measured before clipping. */
export interface FitStep extends Omit<GradientNorms, 'segmentGradientNorms'> {
  /** Counted from 1. */
  readonly step: number;
  /** The epoch that its last batch belongs to, counted from 1. */
  readonly epoch: number;
  readonly loss: number;
  readonly metrics: Readonly<Record<string, number>>;
  readonly learningRate: number;
  readonly seconds: number;
  /** The reason why the step was skipped and changed nothing; undefined for all other steps. */
  readonly skipped?: string;
  /** The evaluation after this step, if there was one. */
  readonly evaluation?: FitEvaluation;
}

/**
 * Minimises a loss over batches, with one optimiser step per batch:
 *
 *     for await (const { step, loss } of fit({ model, loss, batches, optimizer, steps: 500 })) ...
 *
 * Leaving the loop ends the training and the iteration over the batches. All tensors of a step are
 * freed when it ends, save those that were in the batch. Throws `MemgradError` before the first step
 * for options out of range, and for a loss that isn't a scalar. Throws `NotFinite` when a loss or
 * gradient isn't finite; that step has changed nothing. Errors of the loss and of the iterable pass
 * through.
 *
 * @example
 * ```js
 * import { mean, mul, Parameter, square, sub, tensor } from 'memgrad';
 * import { fit, SGD } from 'memgrad/training';
 *
 * const w = new Parameter(tensor(0));
 * const batches = [{ x: [1, 2, 3], y: [2, 4, 6] }];
 * const loss = ({ x, y }) => mean(square(sub(mul(w, x), y)));
 * const optimizer = new SGD({ learningRate: 0.1 });
 * for await (const _ of fit({ parameters: { w }, loss, batches, optimizer, steps: 20 }));
 * console.log((await w.item()).toFixed(3)); // => 2.000
 * ```
 */
export async function* fit<B>(options: FitOptions<B>): AsyncGenerator<FitStep, void, void> {
  const parameters = checkFit(options);
  const { batches, epochs = Infinity, steps = Infinity, stepsTaken = 0 } = options;
  const { evaluate, evaluateEvery = 100, accumulate = 1, signal } = options;
  requireIterable('fit: batches', batches);
  if (evaluate !== undefined) requireIterable('fit: evaluate', evaluate);
  const source = draw(batches, epochs, stepsTaken * accumulate);
  let isWaiting = false;
  const next = async () => {
    isWaiting = true;
    try {
      return (await source.next()).value ?? undefined;
    } finally {
      isWaiting = false;
    }
  };
  try {
    const objective = objectiveOf(options, parameters, () => orAborted(next(), signal));
    for await (const taken of takeSteps('fit', objective, { ...options, steps })) {
      const { segmentGradientNorms: _, report, skipped, ...numbers } = taken;
      const { step } = taken;
      const isDue = step % evaluateEvery === 0 || step === steps;
      const evaluation = evaluate && isDue && (await evaluated(options, parameters, step));
      yield {
        ...numbers,
        ...report,
        ...(skipped !== undefined && { skipped }),
        ...(evaluation && { evaluation }),
      };
    }
  } finally {
    const ended = source.return();
    // A generator that waits for its own data ends when that arrives.
    if (isWaiting) ended.catch(() => {});
    else await ended;
  }
}

function objectiveOf<B>(
  options: FitOptions<B>,
  parameters: Named<Parameter>,
  next: () => Promise<{ batch: B; epoch: number } | undefined>,
): Objective<Pick<FitStep, 'epoch' | 'metrics'>> {
  const { accumulate = 1, signal, onProgress } = options;
  const [like] = Object.values(parameters);
  type Part = { batch: Uploaded<B>; key: Key; index: number };
  return {
    parameters,
    isCapturable: false,
    async next(step, { dropout }) {
      const drawn: B[] = [];
      let epoch = 0;
      while (drawn.length < accumulate) {
        const one = await next();
        if (!one) break;
        drawn.push(one.batch);
        epoch = one.epoch;
      }
      if (drawn.length === 0 || signal?.aborted) return undefined;
      return {
        inputs: (): Part[] =>
          drawn.map((batch, index) => ({
            batch: uploaded(batch, like) as Uploaded<B>,
            key: drawn.length === 1 ? dropout : dropout.fold(index),
            index,
          })),
        loss(part) {
          const { batch, key, index } = part as Part;
          if (index > 0) onProgress?.(index / drawn.length);
          return { ...lossOf(options, batch, { key, step, drawn: drawn[index] }), predictions: [] };
        },
        segments: 0,
        report: (_, metrics) => ({ epoch, metrics }),
      };
    },
  };
}

/** Calls the loss, and checks what it returns. */
function lossOf<B>(
  { loss: f }: FitOptions<B>,
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
  refusePromise('fit: loss', result);
  const { loss, metrics = {} } = (
    result instanceof Tensor ? { loss: result } : Object(result)
  ) as Exclude<LossResult, Tensor>;
  if (!isScalar(loss) || loss.dtype === 'int32') {
    throw new MemgradError(
      `fit: loss must return a float scalar, or { loss, metrics }, got ${describe(loss ?? result)}; end it with mean or sum.`,
    );
  }
  const isRecord = typeof metrics === 'object' && metrics !== null && !(metrics instanceof Tensor);
  requireThat(isRecord, 'fit: the metrics of loss', 'scalars by name', metrics);
  const scalars = Object.entries(metrics).map(([name, metric]) => {
    requireThat(isScalar(metric), `fit: the metric ${describe(name)}`, 'a scalar tensor', metric);
    return [name, stopGradient(reshape(cast(metric, loss.dtype), []))] as const;
  });
  return { loss: identity(reshape(loss, [])), metrics: Object.fromEntries(scalars) };
}

const isScalar = (value: unknown): value is Tensor => value instanceof Tensor && value.size === 1;

/** The mean loss and metrics over all held-out batches; undefined if it was aborted. */
async function evaluated<B>(
  options: FitOptions<B>,
  parameters: Named<Parameter>,
  step: number,
): Promise<FitEvaluation | undefined> {
  const { signal, evaluate } = options;
  const [like] = Object.values(parameters);
  const sums: Record<string, number> = {};
  let total = 0;
  let count = 0;
  for await (const drawn of evaluate as Iterable<B>) {
    if (signal?.aborted) return undefined;
    const { numbers, names } = scope(() => {
      const batch = uploaded(drawn, like) as Uploaded<B>;
      const { loss, metrics } = lossOf(options, batch, { key: undefined, step, drawn });
      const scalars = [loss, ...Object.values(metrics)].map((scalar) => reshape(scalar, [1]));
      return { numbers: concat(scalars, 0), names: Object.keys(metrics) };
    });
    const [loss, ...values] = await numbers.data().finally(() => numbers.dispose());
    total += loss;
    count++;
    names.forEach((name, i) => {
      sums[name] = (sums[name] ?? 0) + values[i];
    });
  }
  if (count === 0) {
    throw new MemgradError(
      "fit: evaluate has no batch, or can't be iterated again; pass an array of batches.",
    );
  }
  const metrics = Object.entries(sums).map(([name, sum]) => [name, sum / count]);
  return { loss: total / count, metrics: Object.fromEntries(metrics) };
}

/** The result of `promise`, or undefined as soon as the signal aborts. */
async function orAborted<T>(
  promise: Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T | undefined> {
  if (!signal) return promise;
  let stop = () => {};
  const aborted = new Promise<undefined>((resolve) => {
    stop = () => resolve(undefined);
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop);
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/** Throws `MemgradError` for invalid options of `fit`. Returns the parameters. */
function checkFit<B>(options: FitOptions<B>): Record<string, Parameter> {
  checkOptions('fit', options, {
    model: 1,
    parameters: 1,
    loss: needed(callable),
    batches: 1,
    steps: whole(),
    epochs: whole(),
    accumulate: whole(1, 2 ** 16),
    evaluate: 1,
    evaluateEvery: whole(),
    ...loopKinds(),
  });
  const { model, parameters, steps, epochs } = options;
  const requireOne = (names: string, ...values: unknown[]) => {
    if (values.filter((value) => value !== undefined).length === 1) return;
    throw new MemgradError(
      `fit: expected either ${names}, got ${values.map(describe).join(' and ')}.`,
    );
  };
  requireOne('model or parameters', model, parameters);
  requireOne('steps or epochs', steps, epochs);
  return parametersOf('fit', (model ?? parameters) as ParameterSource);
}
