/** Learning rates over time, as factors of the optimiser's own rate. */
import { MemgradError, requireWhole } from '../errors.js';

/** Gives the factor for each step, counted from 1. */
export interface Schedule {
  /** By what to multiply the learning rate in this step. */
  factor(step: number): number;
  /** Called with the loss of each step, for schedules that look at it. */
  observe?(loss: number): void;
}

/** Always 1. */
export function constant(): Schedule {
  return { factor: () => 1 };
}

/** Rises linearly to 1 over `steps` steps, then goes on as `then`. */
export function warmUp(steps: number, then: Schedule = constant()): Schedule {
  requireWhole('warmUp', 'steps', steps);
  return {
    factor: (step) => Math.min(1, step / steps) * then.factor(step),
    observe: (loss) => then.observe?.(loss),
  };
}

/** Falls from 1 to `floor` over `steps` steps along half a cosine (Loshchilov and Hutter 2017, arXiv 1608.03983). */
export function cosine(steps: number, floor = 0): Schedule {
  requireWhole('cosine', 'steps', steps);
  return {
    factor: (step) =>
      floor + ((1 - floor) * (1 + Math.cos(Math.PI * Math.min(1, (step - 1) / steps)))) / 2,
  };
}

/** Options of `onPlateau`. */
export interface PlateauOptions {
  /** What the rate is multiplied with. Default 0.5: halved, as in the paper. */
  factor?: number;
  /** How many steps the mean loss may go without getting better. Default 1000. */
  patience?: number;
}

/** Lowers the rate whenever the loss, averaged over the last tenth of `patience`, got no better for `patience` steps. */
export function onPlateau({ factor = 0.5, patience = 1000 }: PlateauOptions = {}): Schedule {
  requireWhole('onPlateau', 'patience', patience);
  if (!(factor > 0 && factor < 1)) {
    throw new MemgradError(`onPlateau: factor must lie between 0 and 1, got ${factor}.`);
  }
  const decay = 1 / Math.max(1, patience / 10);
  let current = 1;
  let average: number | undefined;
  let best = Infinity;
  let waited = 0;
  return {
    factor: () => current,
    observe(loss) {
      average = average === undefined ? loss : average + decay * (loss - average);
      waited = average < best ? 0 : waited + 1;
      best = Math.min(best, average);
      if (waited < patience) return;
      current *= factor;
      waited = 0;
    },
  };
}
