/** A list of kernels that runs again. */
import { type Backend, type DeviceBuffer, declined, type Result } from '../../backends/backend.js';
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
  readonly assigned: ReadonlyMap<Parameter, Stand>;
  readonly constants: ReadonlyMap<Cell, Tensor>;
  /** The keys of the recording by their position: first those of the arguments, then those of `folds`. */
  readonly keys: ReadonlyMap<Key, number>;
  readonly folds: readonly Fold[];
  readonly steps: readonly Step[];
  /** Tensors that the host makes for each call. */
  readonly hosted: ReadonlyMap<Cell, () => Tensor>;
  /** Functions of the host that run after each call. */
  readonly followers: readonly (() => void)[];
  /** The cells that steps and the host fill. */
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
      for (const [cell, make] of this.#recorded.hosted) {
        const tensor = make();
        cell.storage = tensor.storage.share();
        tensor.dispose();
      }
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
      for (const follow of this.#recorded.followers) follow();
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
    const keyOf = (part: unknown) => {
      const position = part instanceof Key ? keys.get(part) : undefined;
      return position === undefined ? part : current[position];
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
      const now = hasKeys ? mapLeaves(attributes, keyOf) : attributes;
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
