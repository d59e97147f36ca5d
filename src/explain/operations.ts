/**
 * The operations of the expression language: their arguments, and their gradient rules as readable
 * text.
 */

import type { OperationName } from '../autograd/operations/table.js';
import { sizeOf } from '../backends/layout.js';

/** A value with its shape. */
export interface Value {
  readonly shape: readonly number[];
  /** Row-major. */
  readonly value: readonly number[];
}

/**
 * The data of a rule: the inputs by name (for a list, by index), the result y, and the other
 * arguments.
 */
export interface RuleCall {
  readonly inputs: Readonly<Record<string, Value>>;
  readonly y: Value;
  readonly plain: Readonly<Record<string, unknown>>;
}

/**
 * The gradient of one input from dy, the gradient of the result, as an expression of this language
 * in the inputs, the result y, and dy. `words` add what the formula leaves out. For brevity, the
 * value of a formula may be broadcast to the input, or summed over the repeated axes.
 */
export type Rule = string | { readonly formula?: string; readonly words: string };

/** An operation as expressions call it. */
export interface Described {
  /**
   * The names of its arguments; `?` marks optional ones. `kindOf` of kinds.ts returns the kind of a
   * name.
   */
  readonly takes: readonly string[];
  /** The names of its options, which follow the arguments as an object. */
  readonly options?: readonly string[];
  /** The inputs that are broadcast to the shape of the result, whose gradient is summed back. */
  readonly repeats?: readonly string[];
  /** Whether the result is smaller than the input, whose gradient is broadcast. */
  readonly reduces?: true;
  /** A rule for each input, or the reason why there is none. */
  readonly rules: Rules | ((call: RuleCall) => Rules);
}

/** A rule for each input by name; for a list of inputs, by index. */
export type Rules = Readonly<Record<string, Rule>> | { readonly none: string };

const unary = (rule: Rule): Described => ({ takes: ['x'], rules: { x: rule } });
const stepwise: Described = { takes: ['x'], rules: { none: 'piecewise constant' } };
const binary = (a: Rule, b: Rule): Described => ({
  takes: ['a', 'b'],
  repeats: ['a', 'b'],
  rules: { a, b },
});
const comparison: Described = {
  takes: ['a', 'b'],
  rules: { none: 'truth values are piecewise constant' },
};
const reduction = (rule: Rule | ((call: RuleCall) => Rule)): Described => ({
  takes: ['x', 'axes?'],
  options: ['keepDims'],
  reduces: true,
  rules: (call) => ({ x: typeof rule === 'function' ? rule(call) : rule }),
});
/** An operation that only reshapes. */
const reshaped = (takes: Described['takes']): Described => ({
  takes,
  rules: ({ inputs: { x } }) => ({ x: `reshape(dy, ${list(x.shape)})` }),
});
const chosen: Rule = {
  formula: 'where(x == y, dy, 0)',
  words: 'equal values share it',
};

const convolution: Described = {
  takes: ['x', 'weight', 'bias?'],
  options: ['stride', 'padding', 'dilation', 'groups'],
  rules: ({ y }) => ({
    x: { words: 'each dy times the weight, added at the positions of its window' },
    weight: { words: 'each dy times its window of x, added up' },
    bias: `sum(dy, ${list(y.shape.map((_, axis) => axis).toSpliced(1, 1))})`,
  }),
};
/** A pooling, with a formula for one window that is all of x. */
const pooling = (formula: string, words: string): Described => ({
  takes: ['x', 'size'],
  options: ['stride', 'padding'],
  rules: (call) => {
    const { inputs, y, plain } = call;
    const isWhole = sizeOf(y.shape.slice(2)) === 1 && plain.padding === undefined;
    const share = formula === 'dy' ? `dy / ${averaged(call)}` : formula;
    const all = [plain.size].flat();
    const reached = inputs.x.shape.slice(2).every((n, i) => n === (all[i] ?? all[0]));
    return { x: isWhole && reached ? share : { words } };
  },
});
/** The steps of a normalisation of `x` over `axes`, and the gradient of x from g. */
const channelNorm = (x: string, axes: readonly number[], epsilon: unknown) => {
  const mean = (value: string) => along('mean', value, list(axes));
  return {
    normal: [`c = ${x} - ${mean(x)}`, `s = sqrt(${mean('c ** 2')} + ${epsilon})`, 'n = c / s'],
    gradient: `(g - ${mean('g')} - n * ${mean('g * n')}) / s`,
  };
};

/** The gradient of each loss: dy, or its share where the losses are averaged. */
const lossShare = ({ inputs, plain }: RuleCall, of: string) =>
  (plain.reduction ?? 'mean') === 'mean' ? `dy / ${sizeOf(inputs[of].shape)}` : 'dy';
/** The rules of a loss with this derivative by the prediction. */
const lossRules = (call: RuleCall, slope: string): Rules => ({
  prediction: `${slope} * ${lossShare(call, 'prediction')}`,
  target: `-${slope} * ${lossShare(call, 'prediction')}`,
});
const loss = (slope: string): Described => ({
  takes: ['prediction', 'target'],
  options: ['reduction'],
  rules: (call) => lossRules(call, slope),
});

/** The rule of a variance, from the divisor and the differences from the mean. */
const spread = (rule: (divisor: number, away: string) => string): Described => ({
  takes: ['x', 'axes?'],
  options: ['correction', 'keepDims'],
  reduces: true,
  rules(call) {
    const { correction = 1, axes } = call.plain;
    const over = axes ?? call.inputs.x.shape.map((_, axis) => axis);
    const divisor = averaged(call) - Number(correction);
    return { x: rule(divisor, `(x - ${along('mean', 'x', list([over].flat()))})`) };
  },
});
const cumulative = (rule: (axis: unknown) => Rule): Described => ({
  takes: ['x', 'axis'],
  rules: ({ plain }) => ({ x: rule(plain.axis) }),
});

/** How many values are averaged to one. */
const averaged = ({ inputs, y }: RuleCall) => sizeOf(inputs.x.shape) / sizeOf(y.shape);

const list = (numbers: readonly unknown[]) => JSON.stringify(numbers).replaceAll(',', ', ');

/** Writes `matmul(a, b)` with its transpose flags. */
function product(a: string, b: string, transposeA: boolean, transposeB: boolean): string {
  const flags = [...(transposeA ? ['transposeA: true'] : [])];
  if (transposeB) flags.push('transposeB: true');
  return `matmul(${a}, ${b}${flags.length > 0 ? `, { ${flags.join(', ')} }` : ''})`;
}

/** The rule for an input of a product, which may be broadcast over the batch. */
function overBatch(input: Value, y: Value, formula: string): Rule {
  const batch = ({ shape }: Value) => sizeOf(shape.slice(0, -2));
  return batch(input) < batch(y) ? { formula, words: 'summed over the batch' } : formula;
}

/** Writes a sum or mean along an axis that is kept with length 1. */
const along = (name: string, x: string, axis: unknown = -1) =>
  `${name}(${x}, ${axis}, { keepDims: true })`;

/** Every operation of memgrad. A missing or unknown operation is a compile error. */
export const described = {
  neg: unary('-dy'),
  abs: unary('sign(x) * dy'),
  sign: stepwise,
  exp: unary('y * dy'),
  log: unary('dy / x'),
  sqrt: unary('dy / (2 * y)'),
  sin: unary('cos(x) * dy'),
  cos: unary('-sin(x) * dy'),
  tanh: unary('(1 - y ** 2) * dy'),
  sigmoid: unary('y * (1 - y) * dy'),
  relu: unary('where(x > 0, dy, 0)'),
  erf: unary('2 / sqrt(PI) * exp(-x * x) * dy'),
  gelu: unary('((1 + erf(x / sqrt(2))) / 2 + x * exp(-x * x / 2) / sqrt(2 * PI)) * dy'),
  square: unary('2 * x * dy'),
  tan: unary('(1 + y ** 2) * dy'),
  log1p: unary('dy / (1 + x)'),
  expm1: unary('exp(x) * dy'),
  softplus: unary('sigmoid(x) * dy'),
  silu: unary('(sigmoid(x) + y * (1 - sigmoid(x))) * dy'),
  leakyRelu: {
    takes: ['x', 'slope?'],
    rules: ({ plain: { slope = 0.01 } }) => ({ x: `where(x > 0, dy, ${slope} * dy)` }),
  },
  elu: {
    takes: ['x', 'alpha?'],
    rules: ({ plain: { alpha = 1 } }) => ({ x: `where(x > 0, dy, ${alpha} * exp(x) * dy)` }),
  },
  round: stepwise,
  floor: stepwise,
  ceil: stepwise,
  clip: {
    takes: ['x', 'low', 'high'],
    repeats: ['x', 'low', 'high'],
    rules: {
      x: 'where(x < low, 0, where(x > high, 0, dy))',
      low: 'where(x < low, where(low > high, 0, dy), 0)',
      high: 'where(maximum(x, low) > high, dy, 0)',
    },
  },

  add: binary('dy', 'dy'),
  sub: binary('dy', '-dy'),
  mul: binary('b * dy', 'a * dy'),
  div: binary('dy / b', '-dy * y / b'),
  pow: binary('b * a ** (b - 1) * dy', { formula: 'log(a) * y * dy', words: '0 where a <= 0' }),
  mod: binary('dy', '-(a - y) / b * dy'),
  atan2: binary('b / (a ** 2 + b ** 2) * dy', '-a / (a ** 2 + b ** 2) * dy'),
  maximum: binary(
    'where(a > b, dy, where(a == b, dy / 2, 0))',
    'where(b > a, dy, where(a == b, dy / 2, 0))',
  ),
  minimum: binary(
    'where(a < b, dy, where(a == b, dy / 2, 0))',
    'where(b < a, dy, where(a == b, dy / 2, 0))',
  ),

  equal: comparison,
  notEqual: comparison,
  less: comparison,
  lessEqual: comparison,
  greater: comparison,
  greaterEqual: comparison,
  where: {
    takes: ['condition', 'a', 'b'],
    repeats: ['a', 'b'],
    rules: { a: 'where(condition, dy, 0)', b: 'where(condition, 0, dy)' },
  },
  cast: { takes: ['x', 'dtype'], rules: { x: { formula: 'dy', words: 'in the dtype of x' } } },

  sum: reduction('dy'),
  mean: reduction((call) => `dy / ${averaged(call)}`),
  max: reduction(chosen),
  min: reduction(chosen),
  logsumexp: reduction('exp(x - y) * dy'),
  variance: spread((divisor, away) => `2 * ${away} / ${divisor} * dy`),
  std: spread((divisor, away) => `${away} / ${divisor} / y * dy`),
  norm: reduction({ formula: 'x / y * dy', words: '0 where y is 0' }),
  prod: reduction({ formula: 'y / x * dy', words: 'the product of the others, also where x is 0' }),
  cumsum: cumulative((axis) => `flip(cumsum(flip(dy, ${axis}), ${axis}), ${axis})`),
  cumprod: cumulative((axis) => ({
    formula: `flip(cumsum(flip(y * dy, ${axis}), ${axis}), ${axis}) / x`,
    words: 'where x is 0, without that factor',
  })),
  argmax: {
    takes: ['x', 'axis'],
    options: ['keepDims'],
    rules: { none: 'positions are whole numbers' },
  },

  matmul: {
    takes: ['a', 'b'],
    options: ['transposeA', 'transposeB'],
    rules({ inputs: { a, b }, y, plain }) {
      const [flipA, flipB] = [plain.transposeA === true, plain.transposeB === true];
      return {
        a: overBatch(
          a,
          y,
          flipA ? product('b', 'dy', flipB, true) : product('dy', 'b', false, !flipB),
        ),
        b: overBatch(
          b,
          y,
          flipB ? product('dy', 'a', true, flipA) : product('a', 'dy', !flipA, false),
        ),
      };
    },
  },
  einsum: {
    takes: ['equation', 'tensors'],
    rules({ inputs, plain: { equation } }) {
      const [left, right] = String(equation).replaceAll(' ', '').split('->');
      const terms = left.split(',');
      const only =
        terms.length === 1 && [...left].sort().join() === [...(right ?? '')].sort().join();
      return mapValues(inputs, (_, i) =>
        only && new Set(left).size === left.length
          ? `einsum('${right}->${left}', [dy])`
          : { words: `the sum of '${equation}' for '${terms[Number(i)]}', with dy in its place` },
      );
    },
  },
  linear: {
    takes: ['x', 'weight', 'bias?'],
    repeats: ['bias'],
    options: ['activation'],
    rules({ inputs: { weight }, y, plain }) {
      const g = plain.activation ? 'where(y > 0, dy, 0)' : 'dy';
      return {
        x: product(g, 'weight', false, false),
        weight: overBatch(weight, y, product(g, 'x', true, false)),
        bias: g,
      };
    },
  },

  reshape: {
    takes: ['x', 'shape'],
    rules: ({ inputs: { x } }) => ({ x: `reshape(dy, ${list(x.shape)})` }),
  },
  transpose: {
    takes: ['x', 'order?'],
    rules({ inputs: { x }, plain }) {
      const { rank, order } = { rank: x.shape.length, order: plain.order };
      if (!Array.isArray(order)) return { x: 'transpose(dy)' };
      const front = order.map((axis) => (axis < 0 ? axis + rank : axis));
      return { x: `transpose(dy, ${list(front.map((_, axis) => front.indexOf(axis)))})` };
    },
  },
  broadcastTo: { takes: ['x', 'shape'], repeats: ['x'], rules: { x: 'dy' } },
  slice: {
    takes: ['x', 'axis', 'start', 'end?'],
    rules({ inputs: { x }, y, plain }) {
      const axis = (Number(plain.axis) + x.shape.length) % x.shape.length;
      const start = Number(plain.start) < 0 ? Number(plain.start) + x.shape[axis] : plain.start;
      const padding = x.shape.map((length, i) =>
        i === axis ? [start, length - Number(start) - y.shape[i]] : [0, 0],
      );
      return { x: `pad(dy, ${list(padding)})` };
    },
  },
  pad: {
    takes: ['x', 'amounts', 'fill?'],
    rules({ inputs: { x }, plain }) {
      const padding = plain.amounts as readonly (readonly [number, number])[];
      const parts = padding.flatMap(([before, after], axis) =>
        before + after > 0 ? [`${axis}, ${before}, ${before + x.shape[axis]}`] : [],
      );
      return { x: parts.reduce((inner, part) => `slice(${inner}, ${part})`, 'dy') };
    },
  },
  concat: {
    takes: ['tensors', 'axis'],
    rules({ inputs, y, plain }) {
      const axis = (Number(plain.axis) + y.shape.length) % y.shape.length;
      let start = 0;
      return mapValues(inputs, ({ shape }) => {
        const from = start;
        start += shape[axis];
        return `slice(dy, ${axis}, ${from}, ${start})`;
      });
    },
  },
  stack: {
    takes: ['tensors', 'axis?'],
    rules({ inputs, y, plain }) {
      const axis = (Number(plain.axis ?? 0) + y.shape.length) % y.shape.length;
      let at = 0;
      return mapValues(inputs, ({ shape }) => {
        const part = `slice(dy, ${axis}, ${at}, ${at + 1})`;
        at++;
        return `reshape(${part}, ${list(shape)})`;
      });
    },
  },
  squeeze: reshaped(['x', 'axes?']),
  unsqueeze: reshaped(['x', 'axis']),
  flatten: reshaped(['x', 'start?', 'end?']),
  flip: {
    takes: ['x', 'axes?'],
    rules: ({ plain: { axes } }) => ({
      x: axes === undefined ? 'flip(dy)' : `flip(dy, ${list([axes].flat())})`,
    }),
  },
  tile: {
    takes: ['x', 'repeats'],
    rules({ inputs: { x }, y, plain }) {
      const times = plain.repeats as readonly number[];
      const rank = y.shape.length;
      const whole = (lengths: readonly number[]) => [
        ...Array(rank - lengths.length).fill(1),
        ...lengths,
      ];
      const own = whole(x.shape);
      const apart = whole(times).flatMap((count, axis) => [count, own[axis]]);
      const copies = own.map((_, axis) => 2 * axis);
      return {
        x: `reshape(sum(reshape(dy, ${list(apart)}), ${list(copies)}), ${list(x.shape)})`,
      };
    },
  },
  roll: {
    takes: ['x', 'shift', 'axis?'],
    rules: ({ plain: { shift, axis } }) => ({
      x: `roll(dy, ${-Number(shift)}${axis === undefined ? '' : `, ${axis}`})`,
    }),
  },
  tril: {
    takes: ['x', 'diagonal?'],
    rules: ({ plain }) => ({ x: `tril(dy, ${plain.diagonal ?? 0})` }),
  },
  triu: {
    takes: ['x', 'diagonal?'],
    rules: ({ plain }) => ({ x: `triu(dy, ${plain.diagonal ?? 0})` }),
  },
  identity: unary('dy'),
  stopGradient: { takes: ['x'], rules: { none: 'that is its purpose' } },

  gather: {
    takes: ['table', 'indices'],
    rules: ({ inputs: { table } }) => ({ table: `scatterAdd(dy, indices, ${table.shape[0]})` }),
  },
  scatterAdd: { takes: ['values', 'indices', 'rows'], rules: { values: 'gather(dy, indices)' } },
  argsort: {
    takes: ['x', 'axis?'],
    options: ['descending'],
    rules: { none: 'positions are whole numbers' },
  },
  sort: {
    takes: ['x', 'axis?'],
    options: ['descending'],
    rules({ plain: { axis = -1, descending = false } }) {
      const order = `argsort(x, ${axis}, { descending: ${descending} })`;
      return { x: `takeAlongAxis(dy, argsort(${order}, ${axis}), ${axis})` };
    },
  },
  takeAlongAxis: {
    takes: ['x', 'indices', 'axis'],
    rules: ({ inputs: { x } }) => ({
      x:
        x.shape.length === 1
          ? `scatterAdd(dy, indices, ${x.shape[0]})`
          : { words: 'dy added at the indices along the axis' },
    }),
  },
  oneHot: { takes: ['indices', 'depth'], rules: { none: 'its input is whole numbers' } },

  softmax: {
    takes: ['x', 'axis?'],
    rules: ({ plain }) => ({ x: `y * (dy - ${along('sum', 'dy * y', plain.axis)})` }),
  },
  logSoftmax: {
    takes: ['x', 'axis?'],
    rules: ({ plain }) => ({ x: `dy - exp(y) * ${along('sum', 'dy', plain.axis)}` }),
  },
  rmsNorm: {
    takes: ['x', 'weight', 'epsilon?'],
    repeats: ['weight'],
    rules({ plain }) {
      const normal = [
        `s = sqrt(${along('mean', 'x ** 2')} + ${plain.epsilon ?? 1e-5})`,
        'n = x / s',
      ];
      return {
        x: [...normal, 'g = weight * dy', `(g - n * ${along('mean', 'g * n')}) / s`].join('; '),
        weight: [...normal, 'n * dy'].join('; '),
      };
    },
  },
  swiglu: {
    takes: ['a', 'b'],
    rules: {
      a: 'dy * b * sigmoid(a) * (1 + a * (1 - sigmoid(a)))',
      b: 'dy * a * sigmoid(a)',
    },
  },
  layerNorm: {
    takes: ['x', 'weight', 'bias', 'epsilon?'],
    repeats: ['weight', 'bias'],
    rules({ plain }) {
      const normal = [
        `c = x - ${along('mean', 'x')}`,
        `s = sqrt(${along('mean', 'c ** 2')} + ${plain.epsilon ?? 1e-5})`,
        'n = c / s',
      ];
      const back = `(g - ${along('mean', 'g')} - n * ${along('mean', 'g * n')}) / s`;
      return {
        x: [...normal, 'g = weight * dy', back].join('; '),
        weight: [...normal, 'n * dy'].join('; '),
        bias: 'dy',
      };
    },
  },
  conv1d: convolution,
  conv2d: convolution,
  maxPool: pooling('where(x == y, dy, 0)', 'dy where x is the largest value of the window'),
  averagePool: pooling('dy', 'its share of dy in each of its windows'),
  batchNorm: {
    takes: ['x', 'weight', 'bias'],
    options: ['epsilon'],
    rules({ inputs: { x }, plain: { epsilon = 1e-5 } }) {
      const axes = x.shape.map((_, axis) => axis).filter((axis) => axis !== 1);
      const back = channelNorm('x', axes, epsilon);
      const factor = `w = reshape(weight, ${list(x.shape.map((n, axis) => (axis === 1 ? n : 1)))})`;
      return {
        x: [factor, ...back.normal, 'g = w * dy', back.gradient].join('; '),
        weight: [...back.normal, `sum(n * dy, ${list(axes)})`].join('; '),
        bias: `sum(dy, ${list(axes)})`,
      };
    },
  },
  groupNorm: {
    takes: ['x', 'groups', 'weight', 'bias', 'epsilon?'],
    rules({ inputs: { x }, plain: { groups, epsilon = 1e-5 } }) {
      const axes = x.shape.map((_, axis) => axis).filter((axis) => axis !== 1);
      const apart = list([x.shape[0], groups, -1]);
      const back = channelNorm('r', [2], epsilon);
      const normal = [`r = reshape(x, ${apart})`, ...back.normal];
      const factor = `w = reshape(weight, ${list(x.shape.map((n, axis) => (axis === 1 ? n : 1)))})`;
      const whole = (value: string) => `reshape(${value}, ${list(x.shape)})`;
      return {
        x: [factor, ...normal, `g = reshape(w * dy, ${apart})`, whole(back.gradient)].join('; '),
        weight: [...normal, `sum(${whole('n')} * dy, ${list(axes)})`].join('; '),
        bias: `sum(dy, ${list(axes)})`,
      };
    },
  },
  crossEntropy: {
    takes: ['logits', 'targets'],
    options: ['ignoreIndex', 'reduction', 'labelSmoothing'],
    rules({ inputs: { logits, targets }, plain }) {
      const { ignoreIndex = -100, reduction = 'mean' } = plain;
      const smoothing = Number(plain.labelSmoothing ?? 0);
      const classes = logits.shape.at(-1);
      const count = targets.value.filter((target) => target !== ignoreIndex).length;
      const right = `oneHot(targets, ${classes})`;
      const shares =
        smoothing > 0 ? `${1 - smoothing} * ${right} - ${smoothing} / ${classes}` : right;
      const difference = `softmax(logits) - ${shares}`;
      const dy = reduction === 'none' ? `reshape(dy, ${list([...targets.shape, 1])})` : 'dy';
      const formula = `(${difference}) * ${dy}${reduction === 'mean' && count > 1 ? ` / ${count}` : ''}`;
      const words = `0 where the target is ${ignoreIndex}`;
      return {
        logits: targets.value.includes(ignoreIndex as number) ? { formula, words } : formula,
      };
    },
  },
  mse: loss('2 * (prediction - target)'),
  huber: {
    ...loss(''),
    options: ['delta', 'reduction'],
    rules(call) {
      const { delta = 1 } = call.plain;
      return lossRules(call, `clip(prediction - target, ${-Number(delta)}, ${delta})`);
    },
  },
  binaryCrossEntropy: {
    takes: ['logits', 'target'],
    options: ['reduction'],
    rules: (call) => ({
      logits: `(sigmoid(logits) - target) * ${lossShare(call, 'logits')}`,
      target: `-logits * ${lossShare(call, 'logits')}`,
    }),
  },
  dropout: {
    takes: ['x', 'rate', 'seed'],
    options: ['residual'],
    rules: ({ plain: { rate, seed } }) => ({
      x: { formula: `dropout(dy, ${rate}, ${seed})`, words: 'dropping the same positions' },
      residual: 'dy',
    }),
  },
  rotate: {
    takes: ['x', 'cosine', 'sine', 'heads?'],
    rules({ inputs: { x, cosine }, plain: { heads = 1 } }) {
      const [, half] = cosine.shape;
      const split = (name: string, value: string) =>
        `${name} = reshape(${value}, ${list([...x.shape.slice(0, -1), heads, 2, half])})`;
      const part = (name: string, i: number) => `slice(${name}, -2, ${i}, ${i + 1})`;
      const sum = (terms: string) =>
        [split('p', 'x'), split('g', 'dy'), `sum(${terms}, [-3, -2])`].join('; ');
      return {
        x: `rotate(dy, cosine, -sine, ${heads})`,
        cosine: sum(`${part('p', 0)} * ${part('g', 0)} + ${part('p', 1)} * ${part('g', 1)}`),
        sine: sum(`${part('p', 0)} * ${part('g', 1)} - ${part('p', 1)} * ${part('g', 0)}`),
      };
    },
  },
  attention: {
    takes: ['q', 'k', 'v'],
    options: ['heads', 'mask', 'bias'],
    rules({ inputs, plain }) {
      const { q, mask, bias } = inputs;
      const root = Math.sqrt((q.shape.at(-1) ?? 1) / Number(plain.heads ?? 1));
      const words = `with the weights p = softmax((q k^T${bias ? ' + bias' : ''}) / sqrt(d))${mask ? ' under the mask' : ''}${plain.heads ? ' of each head' : ''}`;
      const rule = (formula: string): Rule =>
        mask || bias || plain.heads ? { words: `${words}: ${formula}` } : formula;
      const p = `p = softmax(${product('q', 'k', false, true)} / ${root})`;
      const g = `g = ${product('dy', 'v', false, true)}`;
      const s = `s = p * (g - ${along('sum', 'g * p')})`;
      const back = [p, g, s];
      return {
        q: rule([...back, `matmul(s, k) / ${root}`].join('; ')),
        k: rule([...back, `${product('s', 'q', true, false)} / ${root}`].join('; ')),
        v: rule([p, product('p', 'dy', true, false)].join('; ')),
        bias: rule([...back, `s / ${root}`].join('; ')),
      };
    },
  },
} as const satisfies Record<OperationName, Described>;

function mapValues<T, U>(record: Readonly<Record<string, T>>, f: (value: T, name: string) => U) {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, f(value, name)]));
}

/** Returns the description of the operation `name`. */
export function describe(name: OperationName): Described {
  return described[name];
}

/** Whether `name` is an operation of memgrad. */
export function isOperation(name: string): name is OperationName {
  return Object.hasOwn(described, name);
}

/** The names of all operations. */
export const explainable = Object.keys(described) as OperationName[];
