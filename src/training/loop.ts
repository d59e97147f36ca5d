/** The loop that every training shares: one optimiser step after another, on what an objective says. */
import { inside } from '../autograd/context.js';
import { Key, type Parameter, scope, type Tensor, treeLeaves } from '../autograd/index.js';
import { clipFactor, clipScaleOf } from '../autograd/operations/adam.js';
import { captureTraced } from '../autograd/transforms/traced.js';
import { NotFinite } from '../errors.js';
import { nextTask } from '../next-task.js';
import {
  callable,
  check,
  finite,
  flag,
  having,
  needed,
  type OptionNames,
  oneOf,
  whole,
} from '../options.js';
import { watchFinite } from './non-finite.js';
import { DeviceOptimizer } from './optimizers/device-optimizer.js';
import type { Named, Optimizer } from './optimizers/optimizer.js';
import { constant, type Schedule } from './schedules.js';
import {
  freePass,
  type GradientNorms,
  type Lesson,
  type Pass,
  type PassNumbers,
  readNumbers,
  takePass,
} from './step.js';

/** Options that `train` and `fit` share. */
export interface LoopOptions {
  optimizer: Optimizer;
  /**
   * Steps already taken, to resume after them. Parameters, optimiser and schedule must be as they
   * were then. Random numbers depend only on seed and step. Default 0.
   */
  stepsTaken?: number;
  /** The seed of all random numbers. Default 0. */
  seed?: number;
  /** Default: constant. */
  schedule?: Schedule;
  /**
   * The largest norm of all gradients together; larger gradients are scaled down to it. Default: no
   * limit.
   */
  clip?: number;
  /**
   * How to handle a step whose loss or gradient isn't finite. `stop`, the default, throws an error
   * that says where the first such value was computed. `skip` leaves the parameters unchanged and
   * reports the reason in `skipped`.
   */
  nonFinite?: (typeof nonFiniteChoices)[number];
  /** Checks the result of every operation of every step, which is slower. Default false. */
  checkFinite?: boolean;
  /** Whether to record the kernels of a step for each combination of shapes, and replay them. */
  capture?: boolean;
  /** Ends the loop after the current step. */
  signal?: AbortSignal;
  /**
   * Called with the share of the step that is done: 0 when it begins. What it throws ends the loop,
   * and the step has changed nothing.
   */
  onProgress?: (share: number) => void;
}

/** The values of `nonFinite`. */
export const nonFiniteChoices = ['stop', 'skip'] as const;

/** The kinds of `LoopOptions`. */
export const loopKinds = (): OptionNames<LoopOptions> => ({
  optimizer: needed(having('step', 'an optimiser, as new AdamW()')),
  stepsTaken: whole(0),
  seed: 1,
  schedule: having('factor', 'a schedule, as cosine(steps)'),
  clip: ['a finite number > 0', (clip) => Number.isFinite(clip) && clip > 0],
  capture: flag,
  nonFinite: oneOf(nonFiniteChoices),
  checkFinite: flag,
  signal: having('throwIfAborted', 'an AbortSignal'),
  onProgress: callable,
});

/** The keys of a step's random numbers. */
export interface StepKeys {
  readonly data: Key;
  readonly dropout: Key;
}

/** What a loop minimises. `Report` is what its steps report besides loss and norms. */
export interface Objective<Report> {
  readonly parameters: Named<Parameter>;
  /** Whether steps are captured unless the caller says otherwise. */
  readonly isCapturable: boolean;
  /**
   * Returns the lesson of `step`, counted from 1; undefined after the last one. Throws
   * `MemgradError` for data that can't be trained on.
   */
  next(
    step: number,
    keys: StepKeys,
  ): Lesson<Report> | undefined | Promise<Lesson<Report> | undefined>;
}

/** The result of one step of the loop. */
export interface LoopStep<Report> extends GradientNorms {
  readonly step: number;
  readonly loss: number;
  readonly learningRate: number;
  readonly seconds: number;
  readonly skipped: string | undefined;
  readonly report: Report;
}

/**
 * Takes the steps after `stepsTaken`, up to number `steps`, to the end of the objective's lessons,
 * or to the signal. `where` starts messages. Throws `NotFinite` when a loss or gradient isn't
 * finite, unless such steps are skipped; the step has then changed nothing.
 */
export async function* takeSteps<Report>(
  where: string,
  objective: Objective<Report>,
  options: LoopOptions & { steps: number },
): AsyncGenerator<LoopStep<Report>, void, void> {
  const { optimizer, steps, stepsTaken = 0, signal, seed = 0, clip } = options;
  const { schedule = constant(), nonFinite = 'stop', checkFinite = false } = options;
  const { parameters } = objective;
  const dataKey = Key.of(seed).fold(0);
  const dropoutKey = Key.of(seed).fold(1);
  let lesson: Lesson<Report>;
  /** A pass, and with `rates` a step of the optimiser too; the pass then has no gradients. */
  const takeStep = (inputs: readonly unknown[], rates?: readonly Tensor[]): Pass => {
    const pass = takePass(parameters, lesson, inputs);
    if (!rates) return pass;
    try {
      const scale = clipFactor(pass.numbers, pass.layers.length, clip);
      (optimizer as DeviceOptimizer).update(parameters, pass.gradients, rates, scale);
      return { ...pass, gradients: {} };
    } finally {
      for (const gradient of Object.values(pass.gradients)) gradient.dispose();
    }
  };
  // Two recordings notice a model that keeps a state of its own.
  const captured = captureTraced(takeStep);
  /** Of a long step, most is inside kernels; captured, it would report no progress. */
  let isLong = false;
  /** When timers, signals and events last had their turn. */
  let turned = 0;

  try {
    for (let step = stepsTaken + 1; step <= steps && !signal?.aborted; step++) {
      const started = performance.now();
      options.onProgress?.(0);
      const learningRate = optimizer.learningRate * schedule.factor(step);
      if (!Number.isFinite(learningRate)) {
        throw new NotFinite(`${where}: step ${step} has the learning rate ${learningRate}.`);
      }
      const keys = { data: dataKey.fold(step), dropout: dropoutKey.fold(step) };
      const next = objective.next(step, keys);
      const found = next instanceof Promise ? await next : next;
      if (!found) return;
      lesson = found;
      const isCapturing =
        (options.capture ?? objective.isCapturable) && !(isLong && options.onProgress);
      const take = () => scope(() => takeStep(lesson.inputs()));
      const watched = checkFinite ? watchFinite(take, parameters) : undefined;
      const device = !watched && optimizer instanceof DeviceOptimizer ? optimizer : undefined;
      const pass =
        watched?.result ??
        owned(() => {
          const rates = device?.begin(parameters, learningRate);
          return (isCapturing ? captured : takeStep)(lesson.inputs(), rates);
        });
      let numbers: PassNumbers;
      let report: Report;
      let skipped: string | undefined;
      try {
        [numbers, report] = await readPass(pass, lesson);
        const { loss, gradientNorm } = numbers;
        const finite = Number.isFinite(loss) && Number.isFinite(gradientNorm);
        const fault = watched
          ? await watched.describe(freePass)
          : finite
            ? undefined
            : await findFault(take, parameters);
        if (!finite || fault !== undefined) {
          skipped = `${where}: step ${step} has loss ${loss} and gradient norm ${gradientNorm}, expected finite numbers throughout; no parameter was changed. ${fault ?? ALL_FINITE}`;
          if (nonFinite === 'stop') {
            throw new NotFinite(`${skipped} Lower the learning rate or clip gradients.`);
          }
        } else {
          if (device) device.taken();
          else {
            const gradientScale = clip === undefined ? 1 : clipScale(gradientNorm, clip);
            optimizer.step(parameters, pass.gradients, { rate: learningRate, gradientScale });
          }
          lesson.taken?.(report, pass.carry);
          for (const part of treeLeaves(pass.carry)) part.own(undefined);
          pass.carry = undefined; // the lesson owns it now
          schedule.observe?.(loss);
        }
      } finally {
        freePass(pass);
      }
      // Timers, signals and a page's events have their turn between steps, but not after each of
      // many short ones.
      if (performance.now() - turned > 1) {
        await nextTask();
        turned = performance.now();
      }
      const seconds = (performance.now() - started) / 1000;
      isLong = seconds > 0.5;
      const { metrics: _, ...norms } = numbers;
      yield { step, ...norms, learningRate, seconds, skipped, report };
    }
  } finally {
    captured.dispose();
    // Moments for a step that was never taken.
    if (optimizer instanceof DeviceOptimizer && optimizer.steps === 0) optimizer.dispose();
  }
}

const ALL_FINITE = 'All values are finite, but the norm of the gradients is too large for float32.';

/**
 * Runs `f` in a scope. The caller frees its result in any case, so that nothing needs to watch over
 * it.
 */
function owned<T>(f: () => T): T {
  return inside({ scope: new Set() }, () => scope(f));
}

/** Repeats a pass to find its first value that isn't finite. */
async function findFault(take: () => Pass, parameters: Named<Tensor>): Promise<string | undefined> {
  const { result, describe } = watchFinite(take, parameters);
  freePass(result);
  return describe(freePass);
}

/** Reads the results of a pass: its numbers, and what the lesson reports. */
async function readPass<Report>(
  pass: Pass,
  lesson: Lesson<Report>,
): Promise<[PassNumbers, Report]> {
  const [numbers, ...predicted] = await Promise.all([
    readNumbers(pass),
    ...pass.predictions.map((tensor) => tensor.data()),
  ]);
  return [numbers, lesson.report(predicted, numbers.metrics)];
}

/**
 * Returns the factor that limits gradients of this norm to `clip`, as PyTorch's `clip_grad_norm_`
 * computes it.
 */
export function clipScale(norm: number, clip: number): number {
  check('clipScale: norm', norm, finite);
  check('clipScale: clip', clip, finite);
  return clipScaleOf(norm, clip);
}
