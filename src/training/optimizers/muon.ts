/** Muon. */
import {
  add,
  div,
  globalNorm,
  matmul,
  maximum,
  mul,
  type Shape,
  slice,
  sub,
  type Tensor,
  transpose,
} from '../../autograd/index.js';
import { checkOptions, flag, type OptionNames, positive, whole } from '../../options.js';
import { type AdamOptions, AdamW } from './adam.js';
import { isRegExp, type Members, type Update } from './device-optimizer.js';

/** Options of Muon; `betas` and `epsilon` are for the parameters that AdamW trains. */
export interface MuonOptions extends AdamOptions {
  /** Decay of the mean gradient. Default 0.95. */
  momentum?: number;
  /** Looks ahead along the mean gradient. Default true. */
  nesterov?: boolean;
  /** Iterations of Newton and Schulz. Default 5. */
  iterations?: number;
  /**
   * Matches the names of the matrices that AdamW trains, as it trains everything that isn't a matrix:
   * embeddings and the layer before the loss (Jordan 2024). Default: none.
   */
  adamw?: RegExp;
}

/** The coefficients of the iteration X' = a X + (b X Xᵀ + c (X Xᵀ)²) X (Jordan 2024). */
const [A, B, C] = [3.4445, -4.775, 2.0315];

function kinds(): OptionNames<MuonOptions> {
  return {
    ...AdamW.kinds(),
    momentum: positive(1),
    nesterov: flag,
    iterations: whole(1, 100),
    adamw: ['a regular expression, as /embedding/', isRegExp],
  };
}

/**
 * Muon (Jordan et al. 2024, kellerjordan.github.io/posts/muon) for matrices, and AdamW for all other
 * parameters. The momentum M' = m M + (1 - m) G of a matrix is replaced by a matrix O with nearly
 * equal singular values, by iterations of Newton and Schulz. Then W' = W - rate (0.2 √max(rows,
 * columns) O + decay W) (Liu et al. 2025, arXiv 2502.16982, equation 4): updates are as large as
 * AdamW's, so both share one learning rate. As in PyTorch's Muon with `match_rms_adamw`, but in the
 * dtype of the parameter.
 */
export class Muon extends AdamW {
  /** The kinds of `MuonOptions`. */
  static override readonly kinds = kinds;
  readonly #momentum: number;
  readonly #nesterov: boolean;
  readonly #iterations: number;
  readonly #adamw: RegExp | undefined;

  /** Throws `MemgradError` for an option out of range. */
  constructor(options: MuonOptions = {}) {
    checkOptions('optimizer', options, kinds());
    const { momentum = 0.95, nesterov = true, iterations = 5, adamw, ...rest } = options;
    super(rest);
    this.#momentum = momentum;
    this.#nesterov = nesterov;
    this.#iterations = iterations;
    this.#adamw = adamw;
  }

  #isMatrix(name: string, shape: Shape): boolean {
    return shape.length === 2 && !(this.#adamw && name.search(this.#adamw) >= 0);
  }

  protected override moments(name: string, shape: Shape): Record<string, Shape> {
    return this.#isMatrix(name, shape) ? { momentum: shape } : super.moments(name, shape);
  }

  protected override numbers(rate: number, step: number, weightDecay: number): readonly number[] {
    return [...super.numbers(rate, step, weightDecay), rate];
  }

  protected override updates(members: Members, rates: Tensor, scale: Tensor): Update[] {
    const { names, parameters } = members;
    const isMatrix = (name: string) => this.#isMatrix(name, parameters[name].shape);
    const others = names.filter((name) => !isMatrix(name));
    const adamw = others.length
      ? super.updates({ ...members, names: others }, slice(rates, 0, 0, 3), scale)
      : [];
    const matrices = { ...members, names: names.filter(isMatrix) };
    const muon = this.each(matrices, rates, scale, (name, g, [, , shrink, rate]) => {
      const parameter = parameters[name];
      const before = this.moment('momentum', name);
      const fresh = mul(g, 1 - this.#momentum);
      const momentum = add(mul(before, this.#momentum), fresh);
      const ahead = this.#nesterov ? add(fresh, mul(momentum, this.#momentum)) : momentum;
      const size = 0.2 * Math.sqrt(Math.max(...parameter.shape));
      const move = mul(orthogonal(ahead, this.#iterations), mul(rate, size));
      return [
        [before, momentum],
        [parameter, sub(mul(parameter, shrink), move)],
      ];
    });
    return [...adamw, ...muon];
  }
}

/** A matrix with the singular vectors of `matrix`, and singular values near 1. */
function orthogonal(matrix: Tensor, iterations: number): Tensor {
  const [rows, columns] = matrix.shape;
  const isTall = rows > columns;
  let x = div(matrix, maximum(globalNorm([matrix]), 1e-7));
  if (isTall) x = transpose(x);
  for (let i = 0; i < iterations; i++) {
    const gram = matmul(x, transpose(x));
    x = add(mul(x, A), matmul(add(mul(gram, B), mul(matmul(gram, gram), C)), x));
  }
  return isTall ? transpose(x) : x;
}
