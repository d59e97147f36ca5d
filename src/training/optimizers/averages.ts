/** Parameters replaced by their averages for a while. */
import { Parameter } from '../../autograd/index.js';
import { isLike } from '../../autograd/tensor.js';
import { describe, MemgradError } from '../../errors.js';
import { requireThat } from '../../options.js';
import { checkGradients, type Named, type Optimizer } from './optimizer.js';

/**
 * Runs `f` while the parameters have the averages that an optimiser with the option `ema` keeps, and
 * puts their own values back when its result is settled. Throws `MemgradError` before the first step,
 * and for an optimiser without averages.
 *
 * @example
 * ```js
 * import { Parameter, tensor } from 'memgrad';
 * import { SGD, withAverages } from 'memgrad/training';
 *
 * const w = new Parameter(tensor([1]));
 * const optimizer = new SGD({ learningRate: 1, ema: 0.5 });
 * for (let i = 0; i < 2; i++) optimizer.step({ w }, { w: tensor([4]) });
 * console.log(await withAverages(optimizer, { w }, () => w.array()), await w.array()); // => [ -5 ] [ -7 ]
 * ```
 */
export async function withAverages<T>(
  optimizer: Optimizer,
  parameters: Named<Parameter>,
  f: () => T | Promise<T>,
): Promise<T> {
  const isOptimizer = typeof (optimizer as Partial<Optimizer> | null)?.state === 'function';
  requireThat(isOptimizer, 'withAverages: optimizer', 'an optimiser, as new AdamW()', optimizer);
  requireThat(typeof f === 'function', 'withAverages: f', 'a function', f);
  checkGradients(parameters, parameters);
  const state = optimizer.state();
  const pairs = Object.entries(parameters).map(([name, parameter]) => {
    const average = state[`average.${name}`];
    if (isLike(average, parameter)) return { parameter, average };
    throw new MemgradError(
      `withAverages: the optimiser has no average of ${describe(name)}; make it with the option ema, and take a step first.`,
    );
  });
  const own = pairs.map(({ parameter }) => new Parameter(parameter));
  try {
    for (const { parameter, average } of pairs) parameter.assign(average);
    return await f();
  } finally {
    pairs.forEach(({ parameter }, i) => {
      parameter.assign(own[i]);
      own[i].dispose();
    });
  }
}
