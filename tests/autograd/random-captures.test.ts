/** Captured functions against themselves: random programs of views, closures, keys and derivatives. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  add,
  capture,
  cast,
  checkpoint,
  dropout,
  full,
  gather,
  grad,
  Key,
  memoryReport,
  mul,
  normal,
  Parameter,
  reshape,
  type Shape,
  scope,
  sin,
  softmax,
  stopGradient,
  sum,
  type Tensor,
  transpose,
  treeLeaves,
  uniform,
  valueAndGrad,
  vjp,
} from '../../src/autograd/index.js';
import { captureTraced } from '../../src/autograd/transforms/traced.js';
import { loadBackend } from '../../src/backends/index.js';
import { SEED } from './helpers.js';

const test = suite('random captures');

/** Shapes of the values of a program, which all have 12 elements. */
const shapes: Shape[] = [[12], [3, 4], [2, 6], [1, 12], [2, 2, 3]];
const PROGRAMS = process.env.MEMGRAD_LONG ? 1000 : 20;
const CALLS = 7;

const kinds = [
  ...([
    'sin',
    'mul',
    'add',
    'reshape',
    'reshape',
    'constant',
    'by parameter',
    'parameter',
  ] as const),
  ...([
    'by constant',
    'outer constant',
    'of constants',
    'dropout',
    'uniform',
    'transpose',
  ] as const),
  ...(['softmax', 'gather', 'checkpoint', 'grad', 'vjp', 'scope', 'capture'] as const),
  ...(['assign', 'swap', 'assign argument', 'descend'] as const),
];

interface Step {
  readonly kind: (typeof kinds)[number];
  readonly at: readonly number[];
  readonly inner: readonly Step[];
}

/** Random steps; only those outside of derivatives assign to parameters. */
function program(key: Key, depth: number): Step[] {
  const [count] = key.integers(1, 7);
  return key.split(count + 1).map((own) => {
    const [kind] = own.fold(0).integers(1, depth === 2 ? kinds.length : kinds.length - 4);
    const inner = depth > 0 ? program(own.fold(1), depth - 1) : [];
    return { kind: kinds[kind], at: [...own.fold(2).integers(3, 60)], inner };
  });
}

/** What a function reads from its closure. */
interface Outside {
  readonly parameters: readonly Parameter[];
  readonly constant: Tensor;
}

type Arguments = [
  pair: { x: Tensor; y: Tensor },
  key: Key,
  more: Tensor | null,
  targets: readonly Parameter[],
];

function compute(steps: readonly Step[], { parameters, constant }: Outside, args: Arguments) {
  const [{ x, y }, key, more, targets] = args;
  const flat = (value: Tensor) => reshape(value, [12]);
  const follow = (nested: readonly Step[], values: Tensor[]): Tensor[] => {
    for (const { kind, at, inner } of nested) {
      const [a, b] = at.map((place) => values[place % values.length]);
      const [w, other] = [parameters[at[2] % 2], parameters[(at[2] + 1) % 2]];
      const within = (p: Tensor, q: Tensor) => follow(inner, [p, q]).at(-1) as Tensor;
      const made: Record<Step['kind'], () => Tensor | undefined> = {
        sin: () => sin(a),
        mul: () => mul(flat(a), flat(b)),
        add: () => add(flat(a), flat(b)),
        reshape: () => reshape(a, shapes[at[2] % shapes.length]),
        constant: () => stopGradient(a),
        'by parameter': () => mul(flat(a), w),
        parameter: () => w,
        'by constant': () => add(flat(a), constant),
        'outer constant': () => constant,
        'of constants': () =>
          mul(constant, full([12], at[2], { dtype: a.dtype, backend: a.backend })),
        dropout: () => dropout(mul(a, 1), 0.4, key.fold(at[2] % 3)),
        uniform: () =>
          mul(
            flat(a),
            cast(uniform(key.split(3)[at[2] % 3], [12], { backend: a.backend }), a.dtype),
          ),
        transpose: () => transpose(reshape(a, [3, 4])),
        softmax: () => softmax(reshape(a, [3, 4])),
        gather: () => gather(flat(a), cast(mul(stopGradient(flat(a)), 0), 'int32')),
        checkpoint: () => checkpoint(within)(a, b),
        grad: () => grad((p: Tensor) => sum(within(p, a)))(a),
        vjp: () => {
          const [value, pull] = vjp((p) => within(p, b), a);
          return pull(mul(value, 1))[0];
        },
        scope: () => scope(() => within(a, b)),
        capture: () => {
          // A captured function returns the values of a parameter, not the parameter.
          const nestedCapture = capture((p: Tensor, q: Tensor) => mul(within(p, q), 1));
          const result = nestedCapture(a, b);
          nestedCapture.dispose();
          return result;
        },
        assign: () => {
          w.assign(mul(flat(a), 0.5));
          return undefined;
        },
        swap: () => {
          w.assign(other);
          return mul(w, 1);
        },
        'assign argument': () => {
          const target = targets[at[2] % targets.length];
          target.assign(add(mul(target, 0.5), flat(a)));
          return target;
        },
        descend: () => {
          const loss = () => sum(mul(sin(w), other));
          const [value, { w: g }] = valueAndGrad(loss, { w })();
          w.assign(add(w, mul(g, -0.1)));
          return mul(w, value);
        },
      };
      const result = made[kind]();
      if (result) values.push(result);
    }
    return values;
  };
  const values = follow(steps, more ? [x, y, more] : [x, y]);
  return { last: values.at(-1) as Tensor, all: [values[0], values[values.length >> 1]], text: 'a' };
}

for (const name of ['cpu', 'wasm'] as const) {
  test(`${name}: the bits of the function, in results and parameters, and nothing stays behind`, async () => {
    const backend = await loadBackend(name);
    const dtype = name === 'cpu' ? 'float64' : 'float32';
    let runs = 0;
    for (const [index, key] of Key.of(SEED).split(PROGRAMS).entries()) {
      const before = memoryReport().buffers;
      const steps = program(key.fold(0), 2);
      const make = (number: number, shape: Shape = [12]) =>
        normal(key.fold(number), shape, { dtype, backend });
      const begin = (number: number) => scope(() => new Parameter(make(number)));
      const sides = [false, true].map((isCaptured) => {
        const outside = { parameters: [begin(1), begin(2)], constant: begin(3) };
        const f = (...args: Arguments) => {
          if (isCaptured) runs++;
          return compute(steps, { ...outside, constant }, args);
        };
        // A constant tensor, not a parameter.
        const constant = reshape(outside.constant, [12]);
        const captured = (index % 3 === 0 ? captureTraced : capture)(f);
        const all = [...outside.parameters, begin(4), begin(5)];
        return { run: isCaptured ? captured : f, captured, outside, constant, all };
      });
      /** Arguments that are also in the closure, twice the same, or missing. */
      const call = async ({ run, outside, constant, all }: (typeof sides)[0], number: number) => {
        const how = number % 3 === 2 ? index + 3 : index;
        const results = scope(() => {
          const x =
            [constant, outside.parameters[0]][how % 8] ??
            make(10 + number, shapes[(index % 2) * (how % 5)]);
          const y = [x, reshape(x, [12]), constant][(how % 8) - 2] ?? make(20 + number);
          const more = [null, outside.parameters[1]][(how % 8) - 5] ?? null;
          const targets = number % 5 === 4 ? all.slice(3) : all.slice(2);
          return treeLeaves(run({ x, y }, key.fold(number % 4), more, targets)).map((z) =>
            mul(z, 1),
          );
        });
        const texts = await Promise.all(
          [...results, ...all].map(async (z) => `${z.shape}: ${await z.data()}`),
        );
        for (const z of results) z.dispose();
        return texts;
      };
      for (let number = 0; number < CALLS; number++) {
        const [expected, came] = [await call(sides[0], number), await call(sides[1], number)];
        assert.equal(came, expected, `program ${index}, call ${number}`);
        if (number === 3) for (const { all } of sides) scope(() => all[0].assign(make(30)));
      }
      for (const { captured, outside, constant, all } of sides) {
        captured.dispose();
        for (const x of [outside.constant, constant, ...all]) x.dispose();
      }
      assert.is(memoryReport().buffers, before, `program ${index}`);
    }
    assert.ok(
      runs < 0.7 * PROGRAMS * CALLS,
      `${runs} of ${PROGRAMS * CALLS} calls ran the function`,
    );
  });
}

test.run();
