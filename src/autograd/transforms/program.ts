/** The kernels that a function ran, as a list that can run again. */
import { type Backend, type DeviceBuffer, declined, type Result } from '../../backends/backend.js';
import { isPlain, MemgradError } from '../../errors.js';
import type { Listener } from '../context.js';
import { Key } from '../random.js';
import { alias, type Operation, type Value } from '../run.js';
import { Storage } from '../storage.js';
import type { Operated } from '../tape.js';
import { Parameter, type Shape, Tensor } from '../tensor.js';
import { rebuilder, textOf } from '../tree.js';

/** Holds the storage of an input, a parameter, a constant or a result while a program runs. */
interface Cell {
  storage: Storage | undefined;
}

/** Stands for one tensor of the recording: the values of a cell under a shape. */
class Stand implements Value {
  constructor(
    readonly cell: Cell,
    readonly shape: Shape,
    readonly dtype: Value['dtype'],
    readonly size: number,
  ) {}

  get rank(): number {
    return this.shape.length;
  }

  get buffer(): DeviceBuffer {
    return (this.cell.storage as Storage).buffer;
  }
}

/** One operation of a program. */
interface Step {
  readonly backend: Backend;
  // biome-ignore lint/suspicious/noExplicitAny: a step keeps the operation and the attributes that fit it together.
  readonly operation: Operation<any>;
  readonly inputs: readonly Stand[];
  readonly attributes: unknown;
  /** Whether the attributes hold a key that changes from call to call. */
  readonly hasKeys: boolean;
  readonly results: readonly Result[];
  readonly outputs: readonly Cell[];
  /** The cells that no later step reads. */
  readonly dying: Cell[];
}

/** A key derived by `fold`: the position of its origin among all keys, and the index. */
interface Fold {
  readonly from: number;
  readonly index: number;
}

/** Notes what runs inside a function. */
export class Recording implements Listener {
  readonly #stands = new Map<Tensor, Stand>();
  /** Tensors that the function made, and the copies of its arguments. */
  readonly #made: Set<Tensor>;
  /** Parameters that the function made. */
  readonly #born = new Set<Parameter>();
  readonly #copies: readonly Tensor[];
  readonly #inputs: readonly Cell[];
  readonly #parameters = new Map<Parameter, Cell>();
  readonly #assigned = new Map<Parameter, Stand>();
  /** Tensors from outside, and results of constants alone. */
  readonly #constants = new Map<Cell, Tensor>();
  readonly #keys: Map<Key, number>;
  readonly #keyCount: number;
  readonly #folds: Fold[] = [];
  readonly #steps: Step[] = [];
  readonly #trace: string[] | undefined;
  readonly #cellNumbers = new Map<Cell, number>();
  #declined = false;

  /**
   * The function must get `inputs` and `keys` as arguments, and know them from nowhere else.
   * `isTraced`: whether the recording will be compared with another; then nothing is refused.
   */
  constructor(
    inputs: readonly Tensor[],
    keys: readonly Key[],
    readonly isTraced: boolean,
  ) {
    this.#trace = isTraced ? [] : undefined;
    this.#inputs = inputs.map((input) => this.#add(input).cell);
    this.#copies = inputs;
    this.#made = new Set(inputs);
    this.#keys = new Map(keys.map((key, i) => [key, i]));
    this.#keyCount = keys.length;
  }

  /** What happened, as text: two recordings of a pure function have the same. */
  get trace(): string {
    return (this.#trace ?? []).join('\n');
  }

  ran({ operation, inputs, outputs, attributes }: Operated): void {
    const from = inputs.map((input) => this.#standOf(input));
    const to = outputs.map((output) => this.#add(output).cell);
    for (const output of outputs) this.#made.add(output);
    const hasKeys = this.#hasKeys(attributes);
    if (this.#trace) {
      const texts = [...inputs, ...outputs].map((tensor) => this.#textOf(tensor));
      this.#trace.push(`${operation.name} ${texts} ${this.#textOf(attributes)}`);
    }
    if (!hasKeys && from.every(({ cell }) => this.#constants.has(cell))) {
      to.forEach((cell, i) => {
        this.#keep(cell, outputs[i]);
      });
      return;
    }
    this.#steps.push({
      backend: outputs[0].backend,
      operation,
      inputs: from,
      attributes,
      hasKeys,
      results: outputs.map(({ shape, dtype }) => ({ shape, dtype })),
      outputs: to,
      dying: [],
    });
  }

  aliased(x: Tensor, made: Tensor): void {
    this.#add(made, this.#standOf(x).cell);
    if (made instanceof Parameter) this.#born.add(made);
    else this.#made.add(made);
  }

  assigned(parameter: Parameter, value: Tensor): void {
    const before = this.#standOf(parameter); // may have been read
    this.#trace?.push(`assign ${this.#numberOf(before.cell)} ${this.#textOf(value)}`);
    const stand = this.#add(parameter, this.#standOf(value).cell);
    if (!this.#born.has(parameter)) this.#assigned.set(parameter, stand);
  }

  folded(key: Key, index: number, derived: Key): void {
    const from = this.#keys.get(key);
    if (from === undefined) return;
    this.#keys.set(derived, this.#keyCount + this.#folds.length);
    this.#folds.push({ from, index });
  }

  drawn(name: string, key: Key): void {
    if (!this.#keys.has(key)) return;
    if (this.isTraced) {
      this.#declined = true;
      return;
    }
    throw new MemgradError(
      `capture: ${name} draws numbers on the host, which a replay can't repeat for another key; draw them outside and pass a tensor.`,
    );
  }

  declined(): void {
    this.#declined = true;
  }

  /**
   * The program that returns what `result` is made of, and the result as replays return it: of
   * tensors that their owner may free. No program where replays might compute something else.
   */
  programOf<R>(result: R): { result: R; program?: Program<R> } {
    // A parameter that outlives the call is a state: in the next call it is there already.
    for (const parameter of this.#born) if (!parameter.isFreed) this.#declined = true;
    if (this.#declined) return { result };
    let built: ReturnType<typeof rebuilder<R>>;
    try {
      built = rebuilder('capture', result);
    } catch (error) {
      if (this.isTraced) return { result };
      throw error;
    }
    const { tensors, rebuild } = built;
    const outputs = tensors.map((tensor) => this.#standOf(tensor));
    this.#trace?.push(this.#textOf(result));
    const owned = tensors.map((x) => (this.#made.delete(x) ? x : alias(x)));
    // A traced function may keep them as its state, which the next recording would notice.
    if (!this.isTraced) for (const x of this.#copies) if (this.#made.has(x)) x.dispose();
    const lasting = new Set([...outputs, ...this.#assigned.values()].map(({ cell }) => cell));
    const made = new Set(this.#steps.flatMap((step) => step.outputs));
    const seen = new Set(lasting);
    for (const step of this.#steps.toReversed()) {
      for (const cell of [...step.outputs, ...step.inputs.map((input) => input.cell)]) {
        if (!seen.has(cell) && made.has(cell)) step.dying.push(cell);
        seen.add(cell);
      }
    }
    for (const [cell, constant] of this.#constants) {
      if (seen.has(cell)) continue;
      constant.dispose();
      this.#constants.delete(cell);
    }
    const program = new Program<R>({
      inputs: this.#inputs,
      parameters: this.#parameters,
      assigned: this.#assigned,
      constants: this.#constants,
      keys: this.#keys,
      folds: this.#folds,
      steps: this.#steps,
      made,
      outputs,
      rebuild,
    });
    return { result: rebuild(owned), program };
  }

  /** Frees the constants: there is no program that needs them. */
  discard(): void {
    for (const constant of this.#constants.values()) constant.dispose();
  }

  #add(tensor: Tensor, cell: Cell = { storage: undefined }): Stand {
    const stand = new Stand(cell, tensor.shape, tensor.dtype, tensor.size);
    this.#stands.set(tensor, stand);
    return stand;
  }

  #standOf(tensor: Tensor): Stand {
    const known = this.#stands.get(tensor);
    if (known) return known;
    const stand = this.#add(tensor);
    const isParameter = tensor instanceof Parameter;
    this.#trace?.push(`read ${identity(isParameter ? tensor : tensor.storage)}`);
    if (isParameter) this.#parameters.set(tensor, stand.cell);
    else this.#keep(stand.cell, tensor);
    return stand;
  }

  #keep(cell: Cell, tensor: Tensor): void {
    const constant = new Tensor(tensor.storage.share(), tensor.shape, null);
    cell.storage = constant.storage;
    this.#constants.set(cell, constant);
  }

  #numberOf(cell: Cell): number {
    const known = this.#cellNumbers.get(cell);
    if (known !== undefined) return known;
    this.#cellNumbers.set(cell, this.#cellNumbers.size);
    return this.#cellNumbers.size - 1;
  }

  /** A value as text, tensors and keys of the arguments by their position. */
  #textOf(value: unknown): string {
    return textOf(value, (part) => {
      if (part instanceof Tensor)
        return `${this.#numberOf(this.#standOf(part).cell)}[${part.shape}]`;
      if (part instanceof Key) return `key ${this.#keys.get(part) ?? `${part.hi} ${part.lo}`}`;
      if (ArrayBuffer.isView(part)) return `${part}`;
      return `object ${identity(part)}`;
    });
  }

  #hasKeys(attributes: unknown): boolean {
    if (this.#keys.size === 0) return false;
    let found = false;
    withKeys(attributes, (key) => {
      found ||= this.#keys.has(key);
      return key;
    });
    return found;
  }
}

/** What a recording found out. */
interface Recorded<R> {
  readonly inputs: readonly Cell[];
  readonly parameters: ReadonlyMap<Parameter, Cell>;
  readonly assigned: ReadonlyMap<Parameter, Stand>;
  readonly constants: ReadonlyMap<Cell, Tensor>;
  /** The keys of the recording by their position: first those of the arguments, then those of `folds`. */
  readonly keys: ReadonlyMap<Key, number>;
  readonly folds: readonly Fold[];
  readonly steps: readonly Step[];
  /** The cells that steps fill. */
  readonly made: ReadonlySet<Cell>;
  readonly outputs: readonly Stand[];
  rebuild(tensors: readonly Tensor[]): R;
}

/** A list of kernels that runs again, on other inputs. */
export class Program<R> {
  readonly #recorded: Recorded<R>;

  constructor(recorded: Recorded<R>) {
    this.#recorded = recorded;
  }

  /**
   * Computes the result for these inputs and keys. Returns undefined, and changes nothing, where a
   * kernel throws or declines.
   */
  replay(inputs: readonly Tensor[], keys: readonly Key[]): { result: R } | undefined {
    const { made, outputs, assigned, rebuild, parameters } = this.#recorded;
    try {
      this.#recorded.inputs.forEach((cell, i) => {
        cell.storage = inputs[i].storage;
      });
      for (const [parameter, cell] of parameters) cell.storage = parameter.storage;
      if (!this.#run(keys)) return undefined;
      const tensorOf = ({ cell, shape }: Stand) =>
        new Tensor((cell.storage as Storage).share(), shape);
      const result = rebuild(outputs.map(tensorOf));
      // After all that may throw, and from values that were read before any of them changed.
      const values = [...assigned].map(
        ([parameter, stand]) => [parameter, tensorOf(stand)] as const,
      );
      for (const [parameter, value] of values) {
        parameter.assign(value);
        value.dispose();
      }
      return { result };
    } catch {
      return undefined;
    } finally {
      for (const cell of made) {
        cell.storage?.release();
        cell.storage = undefined;
      }
      // Their owners may free them, and then the program must not keep their values.
      for (const cell of this.#recorded.inputs) cell.storage = undefined;
      for (const cell of parameters.values()) cell.storage = undefined;
    }
  }

  /** Frees the constants. */
  dispose(): void {
    for (const constant of this.#recorded.constants.values()) constant.dispose();
  }

  #run(given: readonly Key[]): boolean {
    const { keys, folds, steps } = this.#recorded;
    const current = [...given];
    for (const { from, index } of folds) current.push(current[from].fold(index));
    const keyOf = (key: Key) => {
      const position = keys.get(key);
      return position === undefined ? key : current[position];
    };
    for (const {
      backend,
      operation,
      inputs,
      attributes,
      hasKeys,
      results,
      outputs,
      dying,
    } of steps) {
      const now = hasKeys ? withKeys(attributes, keyOf) : attributes;
      const buffers = operation.forward(backend, inputs as readonly Value[], now, results);
      if (!buffers || buffers === declined) return false;
      for (let i = 0; i < outputs.length; i++) {
        outputs[i].storage = new Storage(backend, buffers[i], operation.name);
      }
      for (const cell of dying) {
        cell.storage?.release();
        cell.storage = undefined;
      }
    }
    return true;
  }
}

/** `attributes` with each key replaced by `keyOf(key)`. */
function withKeys(attributes: unknown, keyOf: (key: Key) => Key): unknown {
  if (attributes instanceof Key) return keyOf(attributes);
  if (typeof attributes !== 'object' || attributes === null || !isPlain(attributes)) {
    return attributes;
  }
  const entries = Object.entries(attributes);
  return Object.fromEntries(entries.map(([name, value]) => [name, withKeys(value, keyOf)]));
}

const identities = new WeakMap<object, number>();
let identityCount = 0;

/** A number that no other object has. */
export function identity(object: object): number {
  const known = identities.get(object);
  if (known !== undefined) return known;
  identities.set(object, ++identityCount);
  return identityCount;
}
