/** Runs a program on the engine, forward and backward, and keeps every number. */
import {
  Key,
  type Nested,
  ones,
  type Tensor,
  tapGradient,
  tensor,
  vjp,
  within,
} from '../autograd/index.js';
import { operations } from '../autograd/operations/table.js';
import type { Backend, DType, TypedArray } from '../backends/backend.js';
import { MemgradError } from '../errors.js';
import type { BackwardStep, Contribution, ExplainedNode, Explanation } from './explanation.js';
import { MOST_AXES, MOST_VALUES } from './limits.js';
import { describe } from './operations.js';
import type { Argument, Instruction, Program } from './parse.js';
import { position, shorten } from './source.js';

/**
 * The values of variables without one, in the order of their first use: neither 0 nor 1, and
 * positive for log and sqrt.
 */
const defaultValues = [0.5, 1.5, 0.25, 2, 0.75, 1.25, 1.75, 0.6];

type Reading = Promise<TypedArray>;

/**
 * What is kept of a node during the run. Values are read immediately: cpu and wasm copy them before
 * the tensors are freed.
 */
interface Noted {
  tensor: Tensor;
  value: Reading;
  gradient?: Reading;
}

/** One run of a program. */
export class Recording {
  readonly #nodes: Noted[] = [];
  /** The engine operations that each node ran as. */
  readonly #ranAs: string[][];
  readonly #instructions: Instruction[];
  readonly #steps: {
    node: number;
    incoming: Reading;
    contributions: { input: number; value: Reading }[];
  }[] = [];
  readonly #dtype: DType;
  #result: number;

  constructor(
    readonly program: Program,
    readonly given: ReadonlyMap<string, Nested>,
    readonly defaults: readonly string[],
    readonly backend: Backend,
  ) {
    this.#dtype = backend.dtypes.includes('float64') ? 'float64' : 'float32';
    this.#instructions = [...program.instructions];
    this.#ranAs = program.instructions.map(() => []);
    this.#result = program.result;
  }

  /** Runs the program forward and backward. */
  run(): void {
    const leaves = this.#instructions.map((instruction) => this.#leaf(instruction));
    const ids = this.#instructions.flatMap(({ does, whole }, id) =>
      does.kind === 'variable' && !whole ? [id] : [],
    );
    const [value, pullback] = vjp(
      (...variables) => this.#forward(leaves, new Map(ids.map((id, i) => [id, variables[i]]))),
      ...ids.map((id) => leaves[id] as Tensor),
    );
    const gradients = pullback(ones(value.shape, { dtype: value.dtype, backend: value.backend }));
    gradients.forEach((gradient, i) => {
      this.#nodes[ids[i]].gradient = gradient.data();
    });
  }

  /** Notes that an engine operation ran at a path that `#compute` opened. */
  ran(operation: string, path: string): void {
    if (path !== '') this.#ranAs[Number(path)].push(operation);
  }

  #leaf({ does, whole = false, ...where }: Instruction): Tensor | undefined {
    if (does.kind === 'operation') return undefined;
    const value = does.kind === 'constant' ? does.value : this.#valueOf(does.variable, whole);
    if (whole) this.#checkWhole(value, where);
    return this.#placed(where, () =>
      tensor(value, { dtype: whole ? 'int32' : this.#dtype, backend: this.backend }),
    );
  }

  #checkWhole(value: Nested, { start, end }: { start: number; end: number }): void {
    const { text } = this.program;
    const found = [value].flat(MOST_AXES).find((each) => !Number.isInteger(each));
    if (found === undefined) return;
    throw new MemgradError(
      `explain: '${shorten(text.slice(start, end))}' ${position(text, start)} has the value ${found} where whole numbers are used: an index, a target or a condition.`,
    );
  }

  #valueOf(name: string, whole: boolean): Nested {
    const given = this.given.get(name);
    if (given !== undefined) return given;
    return whole ? 0 : defaultValues[this.program.variables.indexOf(name) % defaultValues.length];
  }

  #forward(
    leaves: readonly (Tensor | undefined)[],
    variables: ReadonlyMap<number, Tensor>,
  ): Tensor {
    const outputs: Tensor[] = [];
    this.#instructions.forEach((instruction, id) => {
      const leaf = variables.get(id) ?? leaves[id];
      outputs.push(leaf ? this.#note(id, leaf) : this.#compute(id, instruction, outputs));
    });
    const output = outputs[this.#result];
    if (output.dtype === 'int32') {
      throw new MemgradError(
        `explain: the result holds whole numbers, which have no gradient; convert them with cast(x, '${this.#dtype}').`,
      );
    }
    if (output.size === 1) return output;
    const { start, end } = this.#instructions[this.#result];
    const does = {
      kind: 'operation',
      operation: 'sum',
      arguments: new Map([['x', { computed: this.#result }]]),
      options: [],
    } as const;
    this.#result = this.#instructions.push({ name: undefined, does, start, end }) - 1;
    this.#ranAs.push([]);
    return this.#compute(this.#result, this.#instructions[this.#result], outputs);
  }

  /**
   * Runs one operation between taps: one on each input, which sees its contribution, and one on the
   * result.
   */
  #compute(id: number, instruction: Instruction, outputs: readonly Tensor[]): Tensor {
    const { does } = instruction;
    if (does.kind !== 'operation') throw new Error('a leaf is not computed');
    const contributions: { input: number; value: Reading }[] = [];
    const seeContribution = (input: number) => (gradient: Tensor) => {
      contributions.push({ input, value: gradient.data() });
    };
    const sources = inputsOf(instruction);
    // In reverse order, since the backward pass meets the taps in the opposite order.
    const inputs: Tensor[] = [];
    for (let input = sources.length - 1; input >= 0; input--) {
      inputs[input] = tapGradient(outputs[sources[input].from], seeContribution(input));
    }
    const output = this.#placed(instruction, () =>
      within(`${id}`, () => call(does, inputs, this.#dtype)),
    );
    return tapGradient(this.#note(id, output), (gradient) => {
      const incoming = gradient.data();
      this.#nodes[id].gradient = incoming;
      this.#steps.push({ node: id, incoming, contributions });
    });
  }

  #note(id: number, tensor: Tensor): Tensor {
    if (tensor.size > MOST_VALUES || tensor.rank > MOST_AXES) {
      const { start, end } = this.#instructions[id];
      throw new MemgradError(
        `explain: '${shorten(this.program.text.slice(start, end))}' ${position(this.program.text, start)} has shape [${tensor.shape.join(', ')}], expected at most ${MOST_VALUES} values and ${MOST_AXES} axes.`,
      );
    }
    this.#nodes[id] = { tensor, value: tensor.data() };
    return tensor;
  }

  /**
   * Runs `f`. Adds to its errors the position in the expression, and the variables that have a
   * default.
   */
  #placed<T>({ start, end }: { start: number; end: number }, f: () => T): T {
    try {
      return f();
    } catch (error) {
      if (!(error instanceof MemgradError)) throw error;
      const { text } = this.program;
      const hint =
        this.defaults.length > 0
          ? ` No value was given for ${this.defaults.join(', ')}, so each is a number.`
          : '';
      throw new MemgradError(
        `${error.message} This is '${shorten(text.slice(start, end), 60)}' ${position(text, start)}.${hint}`,
      );
    }
  }

  /** Resolves to the explanation, once all values have been read. */
  async read(): Promise<Explanation> {
    const names = namesOf(this.#instructions);
    const nodes = await Promise.all(
      this.#nodes.map(async ({ tensor, value, gradient }, id): Promise<ExplainedNode> => {
        const instruction = this.#instructions[id];
        const { does, start, end } = instruction;
        const inputs = inputsOf(instruction);
        return {
          id,
          kind: does.kind,
          name: names[id],
          operation: does.kind === 'operation' ? does.operation : undefined,
          inputs: inputs.map(({ from }) => from),
          inputNames: inputs.map(({ name }) => name),
          plain: plainOf(does),
          dtype: tensor.dtype,
          shape: tensor.shape,
          value: [...(await value)],
          gradient: gradient && [...(await gradient)],
          ranAs: this.#ranAs[id],
          start,
          end,
        };
      }),
    );
    return {
      expression: this.program.text,
      nodes,
      result: this.#result,
      summed: this.#instructions.length > this.program.instructions.length,
      backward: await this.#readSteps(nodes),
      defaults: this.defaults,
    };
  }

  async #readSteps(nodes: readonly ExplainedNode[]): Promise<BackwardStep[]> {
    const totals = new Map<number, readonly number[]>();
    const steps: BackwardStep[] = [];
    for (const { node, incoming, contributions } of this.#steps) {
      const made: Contribution[] = [];
      for (const { input, value } of contributions) {
        const to = nodes[node].inputs[input];
        const [before, received] = [totals.get(to), [...(await value)]];
        const round = nodes[to].dtype === 'float32' ? Math.fround : Number; // like the engine
        const total = before ? received.map((x, i) => round(before[i] + x)) : received;
        totals.set(to, total);
        made.push({ to, input, value: received, before, total });
      }
      steps.push({ node, incoming: [...(await incoming)], contributions: made });
    }
    return steps;
  }
}

/** The computed inputs of an operation, by the names of the arguments; those in a list by index. */
function inputsOf({ does }: Instruction): { name: string; from: number }[] {
  if (does.kind !== 'operation') return [];
  return [...does.arguments].flatMap(([name, argument]) => {
    if ('computed' in argument) return [{ name, from: argument.computed }];
    return 'list' in argument ? argument.list.map((from, i) => ({ name: `${i}`, from })) : [];
  });
}

function plainOf(does: Instruction['does']): Record<string, unknown> {
  if (does.kind !== 'operation') return {};
  return Object.fromEntries(
    [...does.arguments].flatMap(([name, argument]) =>
      'plain' in argument ? [[name, argument.plain]] : [],
    ),
  );
}

/**
 * Calls the operation with `inputs` in the order of `inputsOf`; `dtype` is the dtype of
 * floating-point values.
 */
function call(
  does: Instruction['does'] & { kind: 'operation' },
  inputs: readonly Tensor[],
  dtype: DType,
): Tensor {
  const left = [...inputs];
  const values = new Map<string, unknown>();
  for (const [name, argument] of does.arguments) values.set(name, argumentOf(name, argument, left));
  const { takes } = describe(does.operation);
  const positional = takes.map((name) => values.get(name.replace('?', '')));
  if (does.operation === 'oneHot') positional.push(dtype);
  const options = does.options.filter((name) => values.has(name));
  const named = Object.fromEntries(options.map((name) => [name, values.get(name)]));
  const operation = operations[does.operation] as (...args: unknown[]) => Tensor;
  return operation(...positional, ...(does.options.length > 0 ? [named] : []));
}

function argumentOf(name: string, argument: Argument, inputs: Tensor[]): unknown {
  if ('computed' in argument) return inputs.shift();
  if ('list' in argument) return inputs.splice(0, argument.list.length);
  return name === 'seed' ? Key.of(Number(argument.plain)) : argument.plain;
}

const subscript = (n: number) => String(n).replace(/\d/g, (digit) => '₀₁₂₃₄₅₆₇₈₉'[Number(digit)]);

/**
 * Returns a unique name for each instruction: the assigned one, numbered from the second use on, or
 * v with a number.
 */
function namesOf(instructions: readonly Instruction[]): string[] {
  const times = new Map<string, number>();
  let unnamed = 0;
  return instructions.map(({ name, does }) => {
    if (name === undefined) {
      if (does.kind === 'constant' && typeof does.value === 'number') {
        return does.value < 0 ? `(${does.value})` : `${does.value}`;
      }
      return `v${subscript(++unnamed)}`;
    }
    const time = (times.get(name) ?? 0) + 1;
    times.set(name, time);
    return time === 1 ? name : `${name}${subscript(time)}`;
  });
}
