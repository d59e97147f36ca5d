/** Notes the kernels that a function runs, and makes a program of them. */
import { MemgradError } from '../../errors.js';
import type { Listener } from '../context.js';
import { Key } from '../random.js';
import type { Operated } from '../tape.js';
import { Parameter, Tensor } from '../tensor.js';
import { mapLeaves, rebuilder } from '../tree.js';
import { type Cell, type Fold, Program, Stand, type Step } from './program.js';

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
  readonly #hosted = new Map<Cell, () => Tensor>();
  readonly #followers: (() => void)[] = [];
  #declined = false;

  /**
   * The function must get `inputs` and `keys` as arguments, and know them from nowhere else. It may
   * not keep `inputs` unless it `mayKeep` them.
   */
  constructor(
    inputs: readonly Tensor[],
    keys: readonly Key[],
    readonly mayKeep = false,
  ) {
    this.#inputs = inputs.map((input) => this.#add(input).cell);
    this.#copies = inputs;
    this.#made = new Set(inputs);
    this.#keys = new Map(keys.map((key, i) => [key, i]));
    this.#keyCount = keys.length;
  }

  ran({ operation, inputs, outputs, attributes }: Operated): void {
    const from = inputs.map((input) => this.standOf(input));
    const to = outputs.map((output) => this.#add(output).cell);
    for (const output of outputs) this.#made.add(output);
    const hasKeys = this.#hasKeys(attributes);
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
    this.#add(made, this.standOf(x).cell);
    if (made instanceof Parameter) this.#born.add(made);
    else this.#made.add(made);
  }

  assigned(parameter: Parameter, value: Tensor): void {
    this.standOf(parameter); // may have been read
    const stand = this.#add(parameter, this.standOf(value).cell);
    if (!this.#born.has(parameter)) this.#assigned.set(parameter, stand);
  }

  folded(key: Key, index: number, derived: Key): void {
    const from = this.positionOf(key);
    if (from === undefined) return;
    this.#keys.set(derived, this.#keyCount + this.#folds.length);
    this.#folds.push({ from, index });
  }

  drawn(name: string, key: Key): void {
    if (this.positionOf(key) === undefined) return;
    throw new MemgradError(
      `capture: ${name} draws numbers on the host, which a replay can't repeat; pass a tensor.`,
    );
  }

  hosted(made: Tensor, make: () => Tensor): void {
    const { cell } = this.#add(made);
    this.#made.add(made);
    this.#hosted.set(cell, make);
  }

  followed(f: () => void): void {
    this.#followers.push(f);
  }

  declined(): void {
    this.#declined = true;
  }

  /**
   * Returns `result`, and the program that replays it. Returns no program where a replay might
   * compute something else.
   */
  programOf<R>(result: R): { result: R; program?: Program<R> } {
    // A parameter that outlives the call is state: the next call would find it.
    for (const parameter of this.#born) if (!parameter.isFreed) this.#declined = true;
    if (this.#declined) return { result };
    const { tensors, rebuild } = rebuilder('capture', result);
    const outputs = tensors.map((tensor) => this.standOf(tensor));
    for (const x of tensors) this.#made.delete(x);
    if (!this.mayKeep) for (const x of this.#copies) if (this.#made.has(x)) x.dispose();
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
      assigned: [...this.#assigned],
      constants: this.#constants,
      keys: this.#keys,
      folds: this.#folds,
      steps: this.#steps,
      hosted: this.#hosted,
      followers: this.#followers,
      outputs,
      lasting,
      rebuild,
    });
    return { result, program };
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

  /** Returns what stands for a tensor, which comes from outside if nothing does yet. */
  protected standOf(tensor: Tensor): Stand {
    const known = this.#stands.get(tensor);
    if (known) return known;
    this.read(tensor);
    const stand = this.#add(tensor);
    if (tensor instanceof Parameter) this.#parameters.set(tensor, stand.cell);
    else this.#keep(stand.cell, tensor);
    return stand;
  }

  /** Called with each tensor that comes from outside. */
  protected read(_tensor: Tensor): void {}

  #keep(cell: Cell, tensor: Tensor): void {
    const constant = new Tensor(tensor.storage.share(), tensor.shape, null);
    cell.storage = constant.storage;
    this.#constants.set(cell, constant);
  }

  /** The position of a key of the arguments, or derived from one. */
  protected positionOf(key: Key): number | undefined {
    return this.#keys.get(key);
  }

  #hasKeys(attributes: unknown): boolean {
    if (this.#keys.size === 0) return false;
    let found = false;
    mapLeaves(attributes, (part) => {
      found ||= part instanceof Key && this.#keys.has(part);
      return part;
    });
    return found;
  }
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
