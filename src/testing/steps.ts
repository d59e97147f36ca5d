/** The operations that random programs call. */
import * as engine from '../autograd/index.js';
import { Key } from '../autograd/index.js';
import type { categories } from '../autograd/operations/table.js';
import { networkSteps } from './network-steps.js';
import { shapeSteps } from './shape-steps.js';
import {
  along,
  binary,
  comparison,
  type Maker,
  places,
  reduction,
  unary,
  whole,
  wholePair,
  width,
} from './step.js';

export type { Step, Tools } from './step.js';

/** What programs call: every operation that isn't an optimiser's or a hook of gradients. */
type Called = Exclude<keyof typeof categories, 'adamStep' | 'globalNorm' | 'tapGradient'>;

const makers: Record<Called, Maker> = {
  ...networkSteps,
  ...shapeSteps,
  abs: unary(engine.abs),
  ceil: unary(engine.ceil),
  cos: unary(engine.cos),
  elu: unary(engine.elu),
  erf: unary(engine.erf),
  exp: unary(engine.exp),
  expm1: unary(engine.expm1),
  floor: unary(engine.floor),
  gelu: unary(engine.gelu),
  identity: unary(engine.identity),
  leakyRelu: unary(engine.leakyRelu),
  log: unary(engine.log),
  log1p: unary(engine.log1p),
  neg: unary(engine.neg),
  relu: unary(engine.relu),
  round: unary(engine.round),
  sigmoid: unary(engine.sigmoid),
  sign: unary(engine.sign),
  silu: unary(engine.silu),
  sin: unary(engine.sin),
  softplus: unary(engine.softplus),
  sqrt: unary(engine.sqrt),
  square: unary(engine.square),
  stopGradient: unary((x) => engine.mul(x, engine.stopGradient(x))),
  tan: unary(engine.tan),
  tanh: unary(engine.tanh),
  add: binary(engine.add),
  atan2: binary(engine.atan2),
  div: binary(engine.div),
  maximum: binary(engine.maximum),
  minimum: binary(engine.minimum),
  mod: binary(engine.mod),
  mul: binary(engine.mul),
  pow: binary(engine.pow),
  sub: binary(engine.sub),
  equal: comparison(engine.equal),
  greater: comparison(engine.greater),
  greaterEqual: comparison(engine.greaterEqual),
  less: comparison(engine.less),
  lessEqual: comparison(engine.lessEqual),
  notEqual: comparison(engine.notEqual),
  cast: whole(unary((x) => x)),
  where: ({ leaf, indices }, shape) => {
    const [condition, other] = [indices(shape, 2), leaf(shape)];
    return { step: (x, leaves) => engine.where(leaves[condition], x, leaves[other]), shape };
  },
  clip: ({ leaf, pick }, shape) => {
    const [low, high] = [leaf(pick([[], shape])), leaf(pick([[], shape]))];
    return { step: (x, leaves) => engine.clip(x, leaves[low], leaves[high]), shape };
  },
  argmax: places((x, axis) => engine.argmax(x, axis, { keepDims: true })),
  cumprod: along(engine.cumprod),
  cumsum: along(engine.cumsum),
  logsumexp: reduction(engine.logsumexp),
  max: reduction(engine.max),
  mean: reduction(engine.mean),
  min: reduction(engine.min),
  norm: reduction(engine.norm),
  prod: reduction(engine.prod),
  std: reduction(engine.std),
  sum: reduction(engine.sum),
  variance: reduction((x, axes) => engine.variance(x, axes, { correction: 0 })),
  linear: ({ leaf, pick }, shape) => {
    if (shape.length === 0) return undefined;
    const [weight, bias] = [leaf([3, width(shape)]), leaf([3])];
    const activation = pick(['relu', undefined] as const);
    return {
      step: (x, leaves) => engine.linear(x, leaves[weight], leaves[bias], { activation }),
      shape: [...shape.slice(0, -1), 3],
    };
  },
  matmul: ({ leaf }, shape) => {
    if (shape.length < 2) return undefined;
    const other = leaf([width(shape), 2]);
    return {
      step: (x, leaves) => engine.matmul(x, leaves[other]),
      shape: [...shape.slice(0, -1), 2],
    };
  },
  einsum: ({ leaf, pick }, shape) => {
    const equation = pick(equations.filter(([term]) => term.length === shape.length));
    if (!equation) return undefined;
    const [term, other, result] = equation;
    const lengthsOf = (names: string) => [...names].map((name) => shape[term.indexOf(name)] ?? 2); // of new letters: 2
    const factor = leaf(lengthsOf(other));
    return {
      step: (x, leaves) => engine.einsum(`${term},${other}->${result}`, [x, leaves[factor]]),
      shape: lengthsOf(result),
    };
  },
  bernoulli: ({ below, leaf }, shape) => {
    const key = Key.of(below(100));
    const chance = below(2) ? leaf(shape) : undefined;
    return {
      step: (x, leaves) => {
        const drawn = chance === undefined ? 0.5 : leaves[chance];
        const { backend } = x;
        return engine.where(engine.bernoulli(key, shape, drawn, { backend }), x, 1);
      },
      shape,
    };
  },
  choice: ({ below, pick }, shape) => {
    if (shape.length === 0) return undefined;
    const [key, replacement] = [Key.of(below(100)), pick([true, false])];
    const count = 1 + below(shape[0]);
    return {
      step: (x) => engine.choice(key, x, count, { replacement }),
      shape: [count, ...shape.slice(1)],
    };
  },
  randperm: ({ below }, shape) => {
    if (shape.length === 0) return undefined;
    const key = Key.of(below(100));
    return {
      step: (x) => engine.gather(x, engine.randperm(key, shape[0], { backend: x.backend })),
      shape,
    };
  },
};

/** The axes of a value, of a leaf and of their product. */
const equations = [
  ['', 'a', 'a'],
  ['a', 'a', ''],
  ['a', 'a', 'a'],
  ['a', 'b', 'ba'],
  ['ab', 'bc', 'ac'],
  ['ab', 'ab', 'b'],
  ['ab', 'ca', 'bc'],
  ['abc', 'cd', 'adb'],
  ['abc', 'abd', 'acd'],
  ['abc', 'bc', 'a'],
] as const;

/** A maker for each operation, and for what others compute of int32. */
export const stepMakers: Record<string, Maker> = {
  ...makers,
  'int32 add': wholePair(engine.add),
  'int32 div': wholePair(engine.div),
  'int32 maximum': wholePair(engine.maximum),
  'int32 minimum': wholePair(engine.minimum),
  'int32 mod': wholePair(engine.mod),
  'int32 mul': wholePair(engine.mul),
  'int32 pow': wholePair(engine.pow),
  'int32 sub': wholePair(engine.sub),
  'int32 cumprod': whole(makers.cumprod),
  'int32 cumsum': whole(makers.cumsum),
  'int32 max': whole(makers.max),
  'int32 prod': whole(makers.prod),
  'int32 sort': whole(makers.sort),
  'int32 sum': whole(makers.sum),
};
