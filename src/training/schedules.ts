/** Learning rate schedules, as factors of the optimiser's own rate. */
import { check, checkOptions, finite, type Kind, requireThat, whole } from '../options.js';

/** A learning rate factor for each step, counted from 1. */
export interface Schedule {
  /** Returns the factor of the learning rate in this step. */
  factor(step: number): number;
  /** Called with the loss of each step, for schedules that depend on it. */
  observe?(loss: number): void;
  /** Returns the state for saving; only schedules that depend on losses have one. */
  state?(): PlateauState;
  /** Continues from a saved state. */
  restore?(state: PlateauState): void;
}

/** The state of `onPlateau`. */
export interface PlateauState {
  /** The current factor. */
  readonly factor: number;
  /** The mean loss, and its lowest value so far; null before the first step. */
  readonly average: number | null;
  readonly best: number | null;
  /** Steps without improvement. */
  readonly waited: number;
}

/** Returns a schedule that is always 1. */
export function constant(): Schedule {
  return { factor: () => 1 };
}

/** Returns a schedule that rises linearly to 1 over `steps` steps, multiplied by `then`. */
export function warmUp(steps: number, then: Schedule = constant()): Schedule {
  check('warmUp: steps', steps, whole());
  requireThat(typeof then?.factor === 'function', 'warmUp: then', 'a schedule', then);
  return {
    factor(step) {
      check('warmUp: step', step, whole(0));
      return Math.min(1, step / steps) * then.factor(step);
    },
    observe: (loss) => then.observe?.(loss),
    state: then.state,
    restore: then.restore,
  };
}

/**
 * Returns a schedule that falls from 1 to `floor` over `steps` steps along half a cosine
 * (Loshchilov and Hutter 2017, arXiv 1608.03983).
 */
export function cosine(steps: number, floor = 0): Schedule {
  check('cosine: steps', steps, whole());
  requireThat(isShare(floor), 'cosine: floor', 'a number from 0 to 1', floor);
  return {
    factor(step) {
      check('cosine: step', step, whole(0));
      return floor + ((1 - floor) * (1 + Math.cos(Math.PI * Math.min(1, (step - 1) / steps)))) / 2;
    },
  };
}

/** Options of `onPlateau`. */
export interface PlateauOptions {
  /** The factor of the rate at each reduction. Default 0.5, as in the paper. */
  factor?: number;
  /** Steps without improvement of the mean loss before a reduction. Default 1000. */
  patience?: number;
}

/**
 * Returns a schedule that lowers the rate whenever the loss, averaged over the last tenth of
 * `patience`, hasn't improved for `patience` steps.
 */
export function onPlateau(options: PlateauOptions = {}): Schedule {
  const between: Kind = ['a number between 0 and 1', (x: number) => isShare(x) && x > 0 && x < 1];
  checkOptions('onPlateau', options, { factor: between, patience: whole() });
  const { factor = 0.5, patience = 1000 } = options;
  const decay = 1 / Math.max(1, patience / 10);
  let now: PlateauState = { factor: 1, average: null, best: null, waited: 0 };
  return {
    factor: () => now.factor,
    observe(loss) {
      check('onPlateau: loss', loss, finite);
      const average = now.average === null ? loss : now.average + decay * (loss - now.average);
      const better = now.best === null || average < now.best;
      const waited = better ? 0 : now.waited + 1;
      const lower = waited >= patience;
      now = {
        factor: lower ? now.factor * factor : now.factor,
        average,
        best: better ? average : now.best,
        waited: lower ? 0 : waited,
      };
    },
    state: () => now,
    restore(state) {
      const { factor, average, best, waited } = state ?? {};
      const means = [average, best].every((mean) => mean === null || typeof mean === 'number');
      const fits = isShare(factor) && means && Number.isSafeInteger(waited);
      requireThat(fits, 'onPlateau: the saved state', 'one that state() returned', state);
      now = state;
    },
  };
}

function isShare(value: unknown): boolean {
  return typeof value === 'number' && value >= 0 && value <= 1;
}
