/** Adafactor. */
import {
  add,
  div,
  globalNorm,
  maximum,
  mean,
  mul,
  type Shape,
  sqrt,
  square,
  sub,
  type Tensor,
} from '../../autograd/index.js';
import { checkOptions, finite, type OptionNames, positive } from '../../options.js';
import {
  type CommonOptions,
  commonKinds,
  DeviceOptimizer,
  type Members,
  type Update,
} from './device-optimizer.js';

/** Options of Adafactor. */
export interface AdafactorOptions extends CommonOptions {
  /**
   * The largest relative step; step t moves by at most min(learningRate, 1 / √t) times the root mean
   * square of the parameter. Default 1e-2, as in PyTorch.
   */
  learningRate?: number;
  /** The exponent c of the decay of the second moment: 1 - t^c in step t. Default -0.8. */
  beta2Decay?: number;
  /** The smallest root mean square of a parameter that counts. Default 1e-3. */
  epsilon?: number;
  /** The largest root mean square of an update before it is scaled down. Default 1. */
  threshold?: number;
  /** Shrinks the parameter itself, as in AdamW. Default 0. */
  weightDecay?: number;
}

function kinds(): OptionNames<AdafactorOptions> {
  return {
    learningRate: positive(),
    beta2Decay: finite,
    epsilon: positive(),
    threshold: ['a finite number > 0', (x) => Number.isFinite(x) && x > 0],
    ...commonKinds(),
  };
}

/**
 * Adafactor (Shazeer and Stern 2018, arXiv 1804.04235, algorithms 4 and 5) as in PyTorch: Adam's
 * second moment of a matrix as the product of its row means and column means, so that it takes rows
 * + columns numbers instead of rows × columns, and no first moment.
 */
export class Adafactor extends DeviceOptimizer {
  /** The kinds of `AdafactorOptions`. */
  static readonly kinds = kinds;
  readonly #beta2Decay: number;
  readonly #epsilon: number;
  readonly #threshold: number;

  /** Throws `MemgradError` for an option out of range. */
  constructor(options: AdafactorOptions = {}) {
    checkOptions('optimizer', options, kinds());
    const { learningRate = 1e-2, beta2Decay = -0.8, epsilon = 1e-3, threshold = 1 } = options;
    super(learningRate, options);
    this.#beta2Decay = beta2Decay;
    this.#epsilon = epsilon;
    this.#threshold = threshold;
  }

  protected moments(_: string, shape: Shape): Record<string, Shape> {
    if (shape.length < 2) return { second: shape };
    return {
      rows: [...shape.slice(0, -1), 1],
      columns: [...shape.slice(0, -2), 1, shape.at(-1) as number],
    };
  }

  protected numbers(rate: number, step: number, weightDecay: number): readonly number[] {
    return [Math.min(rate, 1 / Math.sqrt(step)), step ** this.#beta2Decay, 1 - rate * weightDecay];
  }

  protected updates(members: Members, rates: Tensor, scale: Tensor): Update[] {
    return this.each(members, rates, scale, (name, g, [rate, share, shrink]) => {
      const parameter = members.parameters[name];
      const least = parameter.dtype === 'float64' ? 2 ** -52 : 2 ** -23;
      const squares = square(g);
      const next: Update[] = [];
      /** The moment `kind`, moved towards `value`. */
      const moved = (kind: string, value: Tensor): Tensor => {
        const before = this.moment(kind, name);
        const after = add(before, mul(sub(value, before), share));
        next.push([before, after]);
        return after;
      };
      let second: Tensor;
      if (parameter.rank < 2) second = moved('second', squares);
      else {
        const rows = moved('rows', mean(squares, -1, { keepDims: true }));
        const columns = moved('columns', mean(squares, -2, { keepDims: true }));
        second = div(mul(rows, columns), maximum(mean(rows, -2, { keepDims: true }), least));
      }
      const update = div(g, sqrt(maximum(second, least ** 2)));
      const root = Math.sqrt(parameter.size) || 1;
      const clipped = maximum(div(globalNorm([update]), root * this.#threshold), 1);
      const relative = maximum(div(globalNorm([parameter]), root), this.#epsilon);
      const move = mul(update, div(mul(rate, relative), clipped));
      return [...next, [parameter, sub(mul(parameter, shrink), move)]];
    });
  }
}
