/**
 * Finds the first value that isn't finite: the operation that produced it, its inputs, segment and
 * layer.
 */
import {
  cast,
  mul,
  notEqual,
  Parameter,
  scope,
  sum,
  type Tensor,
  type Watched,
  watch,
} from '../autograd/index.js';
import type { Named } from './optimizers/optimizer.js';

/** What is recorded about a result before it is read back. */
interface Mark {
  /** NaN if any value isn't finite, otherwise 0. */
  readonly wild: Tensor;
  /** Number of NaN values. */
  readonly nan: Tensor;
  /** The marks of its inputs. */
  readonly inputs: readonly Mark[];
}

/**
 * Runs `f`; returns its result, and a function that describes the first operation inside, including
 * the backward pass, that produced a value that isn't finite (undefined if none did). Call that
 * function once: if it finds such a value, it runs `f` again. `names` are parameters that the
 * description may refer to by name.
 *
 * NaN always counts. Infinity counts if it was computed from finite values: a softmax masks with a
 * constant of -Infinity, which does no harm.
 */
export function watchFinite<T>(
  f: () => T,
  names: Named<Tensor>,
): { result: T; describe: (free: (result: T) => void) => Promise<string | undefined> } {
  const marks: Mark[] = [];
  const byStorage = new Map<unknown, Mark>();
  const mark = (x: Tensor, inputs: readonly Mark[]): Mark => {
    const [wild, nan] = scope(() =>
      // Parameters, since they outlive scopes; created only once memory for both was found.
      [sum(mul(x, 0)), sum(cast(notEqual(x, x), 'float32'))].map((sum) => new Parameter(sum)),
    );
    const made = { wild, nan, inputs };
    byStorage.set(x.storage, made);
    return made;
  };
  const floating = (tensors: readonly Tensor[]) => tensors.filter(({ dtype }) => dtype !== 'int32');
  const free = () => {
    for (const { wild, nan } of new Set([...byStorage.values(), ...marks])) {
      wild.dispose();
      nan.dispose();
    }
  };
  const see = ({ inputs, outputs }: Watched) => {
    const before = floating(inputs).map((x) => byStorage.get(x.storage) ?? mark(x, []));
    for (const output of outputs) marks.push(mark(output, before));
  };
  try {
    const result = watch(f, see);
    return {
      result,
      async describe(freeResult) {
        try {
          const at = await firstFault(marks);
          return at < 0 ? undefined : await describeFault(f, freeResult, at, names);
        } finally {
          free();
        }
      },
    };
  } catch (error) {
    free();
    throw error;
  }
}

async function firstFault(marks: readonly Mark[]): Promise<number> {
  const isWild = async ({ wild }: Mark) => Number.isNaN(await wild.item());
  for (const [index, mark] of marks.entries()) {
    if (!(await isWild(mark))) continue;
    if ((await mark.nan.item()) > 0) return index;
    const inputs = await Promise.all(mark.inputs.map(isWild));
    if (!inputs.includes(true)) return index;
  }
  return -1;
}

/** Runs `f` again to its end and describes result number `index`. */
async function describeFault<T>(
  f: () => T,
  free: (result: T) => void,
  index: number,
  names: Named<Tensor>,
): Promise<string> {
  let next = 0;
  let fault: Omit<Watched, 'inputs' | 'outputs'> | undefined;
  const kept: { tensor: Parameter; name: string }[] = [];
  const result = watch(f, ({ inputs, outputs, ...ran }) => {
    const at = index - next;
    next += outputs.length;
    if (at < 0 || at >= outputs.length) return;
    fault = ran;
    for (const tensor of [outputs[at], ...inputs]) {
      const parameter = Object.entries(names).find(([, { storage }]) => storage === tensor.storage);
      const name = parameter ? `'${parameter[0]}'` : `the result of ${tensor.storage.origin}`;
      kept.push({ tensor: new Parameter(tensor), name });
    }
  });
  free(result);
  const [output, ...inputs] = await Promise.all(
    kept.map(async ({ tensor, name }) => {
      const text = `${tensor.dtype} [${tensor.shape.join(', ')}] ${summary(await tensor.data())}`;
      tensor.dispose();
      return { text, name };
    }),
  );
  const { operation, path, gradientOf } = fault as Watched;
  const where = [
    gradientOf === undefined ? '' : ` in the gradient of ${gradientOf}`,
    path === '' ? '' : ` in ${path}`,
  ].join('');
  const of = inputs
    .slice(0, 5)
    .map(({ text, name }) => `${name}, ${text}`)
    .join('; ');
  return `The first value that is not finite was made by ${operation}${where}: ${output.text}, of ${of}.`;
}

/** The range of the finite values, and the number of others. */
function summary(values: ArrayLike<number>): string {
  let [least, most, nan, infinite] = [Infinity, -Infinity, 0, 0];
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (Number.isNaN(value)) nan++;
    else if (!Number.isFinite(value)) infinite++;
    else {
      least = Math.min(least, value);
      most = Math.max(most, value);
    }
  }
  const range = least <= most ? [`from ${least.toPrecision(3)} to ${most.toPrecision(3)}`] : [];
  const wrong = [
    ...(nan > 0 ? [`${nan} NaN`] : []),
    ...(infinite > 0 ? [`${infinite} infinite`] : []),
  ];
  return [...range, ...wrong].join(', ') || 'without values';
}
