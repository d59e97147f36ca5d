/** Training with a loss of one's own. */
import { Key, type Parameter } from '../autograd/index.js';
import { MemgradError } from '../errors.js';
import { checkOptions, whole } from '../options.js';
import { type Batches, draw, requireIterable, type Uploaded, uploaded } from './batches.js';
import {
  checkFitted,
  evaluated,
  type FitEvaluation,
  fittedKinds,
  type LossContext,
  type LossResult,
  lossOf,
  requireOne,
} from './evaluate-fit.js';
import { type LoopOptions, loopKinds, type Objective, takeSteps } from './loop.js';
import type { Named } from './optimizers/optimizer.js';
import type { ParametersOf, Parametrized } from './parameters.js';
import type { GradientNorms } from './step.js';

/** Options of `fit`. */
export interface FitOptions<
  B = unknown,
  P extends ParametersOf<P> = Readonly<Record<string, Parameter>>,
> extends LoopOptions {
  /** What to train: a model with `parameters()`. */
  model?: Parametrized;
  /** What to train: parameters by name. Pass either these or a model. */
  parameters?: P;
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
  /**
   * Held-out batches. The loss is computed on them every `evaluateEvery` steps and after the last one.
   * With `epochs`, the next batch is drawn before a step is yielded, to learn whether it was the last.
   */
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
 * freed when it ends, save those that were in the batch. Throws `MemgradError` when it is called
 * with options out of range, and in the first step for a loss that isn't a scalar. Throws `NotFinite`
 * when a loss or gradient isn't finite; that step has changed nothing. Errors of the loss and of the
 * iterable pass through.
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
export function fit<B, P extends ParametersOf<P> = Named<Parameter>>(
  options: FitOptions<B, P>,
): AsyncGenerator<FitStep, void, void> {
  // Not in the generator, so that a call whose loop was forgotten reports wrong options too.
  return fitted(options, checkFit(options));
}

async function* fitted<B>(
  options: Fitting<B>,
  parameters: Named<Parameter>,
): AsyncGenerator<FitStep, void, void> {
  const { batches, epochs = Infinity, steps = Infinity, stepsTaken = 0 } = options;
  const { evaluate, evaluateEvery = 100, accumulate = 1, signal } = options;
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
  /** A batch that was drawn to learn whether there is one. */
  let ahead: ReturnType<typeof next> | undefined;
  const draws = () => {
    const drawn = ahead ?? orAborted(next(), signal);
    ahead = undefined;
    return drawn;
  };
  const isLast = async (step: number) => {
    if (epochs === Infinity) return step === steps;
    ahead = orAborted(next(), signal);
    // An error is thrown by the next step, after this one has been yielded.
    return (await ahead.catch(() => true)) === undefined;
  };
  try {
    const objective = objectiveOf(options, parameters, draws);
    for await (const taken of takeSteps('fit', objective, { ...options, steps })) {
      const { segmentGradientNorms: _, report, skipped, ...numbers } = taken;
      const { step } = taken;
      const isDue = evaluate && ((await isLast(step)) || step % evaluateEvery === 0);
      const evaluation =
        isDue && (await evaluated('fit: evaluate', options, parameters, evaluate, step));
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
  options: Fitting<B>,
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
          return {
            ...lossOf('fit', options.loss, batch, { key, step, drawn: drawn[index] }),
            predictions: [],
          };
        },
        segments: 0,
        report: (_, metrics) => ({ epoch, metrics }),
      };
    },
  };
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

/** The options of `fit`, whatever holds its parameters. */
type Fitting<B> = Omit<FitOptions<B>, 'parameters'>;

/** Throws `MemgradError` for invalid options of `fit`. Returns the parameters. */
function checkFit<B, P extends ParametersOf<P>>(options: FitOptions<B, P>): Named<Parameter> {
  if ('task' in Object(options)) {
    throw new MemgradError('fit: there is no option "task"; train takes a model and a task.');
  }
  checkOptions('fit', options, {
    ...fittedKinds,
    steps: whole(),
    epochs: whole(),
    accumulate: whole(1, 2 ** 16),
    evaluate: 1,
    evaluateEvery: whole(),
    ...loopKinds(),
  });
  const { steps, epochs, evaluate, seed = 0 } = options;
  Key.of(seed);
  requireOne('fit', { steps, epochs });
  if (evaluate !== undefined) requireIterable('fit: evaluate', evaluate);
  return checkFitted('fit', options);
}
