/** A list of kernels that runs again. */
import {
  type Backend,
  type DeviceBuffer,
  declined,
  type PreparedList,
  type Result,
} from '../../backends/backend.js';
import { Key } from '../random.js';
import type { Operation, Value } from '../run.js';
import { Storage } from '../storage.js';
import { type Parameter, type Shape, Tensor } from '../tensor.js';
import { mapLeaves } from '../tree.js';

/** Holds the storage of an input, a parameter, a constant or a result while a program runs. */
export interface Cell {
  storage: Storage | undefined;
}

/** Stands for one tensor of the recording: the values of a cell under a shape. */
export class Stand implements Value {
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
export interface Step {
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
export interface Fold {
  readonly from: number;
  readonly index: number;
}

/** What a recording found out. */
export interface Recorded<R> {
  readonly inputs: readonly Cell[];
  readonly parameters: ReadonlyMap<Parameter, Cell>;
  readonly assigned: readonly [Parameter, Stand][];
  readonly constants: ReadonlyMap<Cell, Tensor>;
  /** The keys of the recording by their position: first those of the arguments, then those of `folds`. */
  readonly keys: ReadonlyMap<Key, number>;
  readonly folds: readonly Fold[];
  readonly steps: readonly Step[];
  /** Tensors that the host makes for each call. */
  readonly hosted: ReadonlyMap<Cell, () => Tensor>;
  /** Functions of the host that run after each call. */
  readonly followers: readonly (() => void)[];
  readonly outputs: readonly Stand[];
  /** The cells of `outputs` and `assigned`. */
  readonly lasting: ReadonlySet<Cell>;
  rebuild(tensors: readonly Tensor[]): R;
}

/** A list of kernels that runs again, on other inputs. */
export class Program<R> {
  readonly #recorded: Recorded<R>;
  /** Null where the backend can't prepare this program; undefined before the first replay. */
  #list: PreparedList | null | undefined;
  /** The steps with keys, on the buffers of their inputs in the list. */
  #marked: Step[] = [];
  /** What a list reads: everything that no step makes. */
  readonly #read: readonly Cell[];
  /** What a list returns: cells that are read after the last step, and the step that fills each. */
  readonly #lasting: [Cell, Step][] = [];

  constructor(recorded: Recorded<R>) {
    this.#recorded = recorded;
    const { inputs, parameters, hosted, constants, lasting, steps } = recorded;
    this.#read = [...inputs, ...parameters.values(), ...hosted.keys(), ...constants.keys()];
    for (const step of steps) {
      for (const cell of step.outputs) if (lasting.has(cell)) this.#lasting.push([cell, step]);
    }
  }

  /**
   * Computes the result for these inputs and keys. Returns undefined, and changes nothing, where a
   * kernel throws or declines.
   */
  replay(inputs: readonly Tensor[], keys: readonly Key[]): { result: R } | undefined {
    const { inputs: cells, parameters, hosted, outputs, assigned } = this.#recorded;
    const { followers, rebuild } = this.#recorded;
    try {
      cells.forEach((cell, i) => {
        cell.storage = inputs[i].storage;
      });
      for (const [parameter, cell] of parameters) cell.storage = parameter.storage;
      for (const [cell, make] of hosted) {
        const tensor = make();
        cell.storage = tensor.storage.share();
        tensor.dispose();
      }
      if (!this.#runPrepared(keys)) this.#run(keys);
      const shared = ({ cell }: Stand) => (cell.storage as Storage).share();
      const result = rebuild(outputs.map((stand) => new Tensor(shared(stand), stand.shape)));
      // After all that may throw, and from values that were read before any of them changed.
      const values = assigned.map(([, stand]) => shared(stand));
      assigned.forEach(([parameter], i) => {
        parameter.replace(values[i]);
      });
      for (const follow of followers) follow();
      return { result };
    } catch {
      this.#clear();
      return undefined;
    } finally {
      for (const [cell] of this.#lasting) release(cell);
      for (const cell of hosted.keys()) release(cell);
      // Their owners may free them, and then the program must not keep their values.
      for (const cell of [...cells, ...parameters.values()]) cell.storage = undefined;
    }
  }

  /** Frees the constants. */
  dispose(): void {
    this.#list?.dispose();
    for (const constant of this.#recorded.constants.values()) constant.dispose();
  }

  /** Runs the steps; those with keys inside `part`. Throws where a kernel declines. */
  #run(given: readonly Key[], part = <T>(f: () => T, _step: Step): T => f()): void {
    const keyOf = this.#keysFrom(given);
    for (const step of this.#recorded.steps) {
      const { backend, operation, hasKeys, outputs, dying } = step;
      const buffers = hasKeys
        ? part(() => forward(step, mapLeaves(step.attributes, keyOf)), step)
        : forward(step, step.attributes);
      if (!buffers || buffers === declined) throw new Error('a kernel declined');
      for (let i = 0; i < outputs.length; i++) {
        outputs[i].storage = new Storage(backend, buffers[i], operation.name);
      }
      for (const cell of dying) release(cell);
    }
  }

  /** Releases what the steps have made. */
  #clear(): void {
    for (const { outputs } of this.#recorded.steps) for (const cell of outputs) release(cell);
  }

  /** Maps keys of the recording to those of a call. */
  #keysFrom(given: readonly Key[]): (part: unknown) => unknown {
    const { keys, folds } = this.#recorded;
    const current = [...given];
    for (const { from, index } of folds) current.push(current[from].fold(index));
    return (part) => {
      const position = part instanceof Key ? keys.get(part) : undefined;
      return position === undefined ? part : current[position];
    };
  }

  /** Runs the steps as a list of the backend. Returns false where there is none. */
  #runPrepared(keys: readonly Key[]): boolean {
    if (this.#list === null) return false;
    const buffers = this.#read.map(({ storage }) => (storage as Storage).buffer);
    this.#list ??= this.#prepare(keys, buffers);
    if (!this.#list) return false;
    if (this.#marked.length > 0) {
      const keyOf = this.#keysFrom(keys);
      this.#list.renumber(() => {
        for (const step of this.#marked) forward(step, mapLeaves(step.attributes, keyOf));
      });
    }
    const made = this.#list.run(buffers);
    if (!made) {
      this.#list.dispose();
      this.#list = undefined;
      return false;
    }
    this.#lasting.forEach(([cell, { backend, operation }], i) => {
      cell.storage = new Storage(backend, made[i], operation.name);
    });
    return true;
  }

  /**
   * Prepares the steps for a backend that can; null for others, and where a kernel declines;
   * undefined where the backend can't yet.
   */
  #prepare(
    keys: readonly Key[],
    buffers: readonly DeviceBuffer[],
  ): PreparedList | null | undefined {
    const { steps } = this.#recorded;
    const backend = steps[0]?.backend;
    if (!backend?.prepare || steps.some((step) => step.backend !== backend)) return null;
    this.#marked = [];
    try {
      return backend.prepare(buffers, (part) => {
        try {
          this.#run(keys, (f, step) => {
            const inputs = step.inputs.map((stand) =>
              Object.create(stand, { buffer: { value: stand.buffer } }),
            );
            this.#marked.push({ ...step, inputs });
            return part(f);
          });
          return this.#lasting.map(([{ storage }]) => (storage as Storage).buffer);
        } finally {
          this.#clear();
        }
      });
    } catch {
      return null;
    }
  }
}

function forward({ backend, operation, inputs, results }: Step, attributes: unknown) {
  return operation.forward(backend, inputs, attributes, results);
}

function release(cell: Cell): void {
  cell.storage?.release();
  cell.storage = undefined;
}
