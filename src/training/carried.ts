/**
 * The state that training along a stream carries from one step to the next, in a form that can be
 * saved.
 */
import { scope, type Tensor, type Tree, tensor, treeLeaves } from '../autograd/index.js';
import type { Backend } from '../backends/backend.js';
import { MemgradError } from '../errors.js';
import type { HostArray } from '../models/arrays.js';
import type { EncoderRMT } from '../models/encoder-rmt.js';
import { isHostArray, namedState, restoredState } from '../models/saved-state.js';
import type { SegmentModel } from '../models/segment-model.js';
import { check, checkValues, requireThat, whole } from '../options.js';
import type { AnyTask } from '../tasks/index.js';
import { carryKind, requireFit } from './check.js';
import type { Named } from './optimizers/optimizer.js';
import type { Carry } from './stream-loss.js';

/**
 * The position of a training along a stream: `train` stores here the state with which it reads the
 * next segment. The caller disposes of it.
 */
export class Carried {
  /** Undefined when nothing is carried, as before the first segment. */
  carry: Carry | undefined;

  /** Takes ownership of `carry` and frees the previous one. */
  keep(carry: Carry | undefined): void {
    checkValues('Carried', { carry }, { carry: carryKind });
    for (const part of treeLeaves(this.carry)) part.dispose();
    this.carry = carry;
  }

  /** Frees what is carried. */
  dispose(): void {
    this.keep(undefined);
  }
}

/**
 * The tensors of `carry` by name, for saving: `states.I.J` and `inputs.I`; none for undefined.
 * Throws `MemgradError` for a value that isn't a carry.
 */
export function namedCarry(carry: Carry | undefined): Named<Tensor> {
  checkValues('namedCarry', { carry }, { carry: carryKind });
  const { states, inputs } = carry ?? { states: [], inputs: [] };
  const named = states.map((state, i) => namedState(`states.${i}`, state));
  return Object.assign(namedState('inputs', inputs), ...named);
}

/** The training that a saved carry must fit; the options have the same meaning as in `train`. */
export interface CarriedBy {
  model: SegmentModel | EncoderRMT;
  task: AnyTask;
  segmentLength: number;
  /** Default 32. */
  batchSize?: number;
  /** Default 0. */
  bpttDepth?: number;
  backend?: Backend;
}

/**
 * Rebuilds a carry from `saved`, a record with the names of `namedCarry`. Throws `MemgradError` for
 * anything that this training can't have carried.
 */
export function restoredCarry(
  saved: Readonly<Record<string, HostArray>>,
  by: CarriedBy,
): Carry | undefined {
  const { model, task, segmentLength, batchSize = 32, bpttDepth = 0, backend } = by ?? {};
  requireFit('restoredCarry', model, task);
  check('restoredCarry: segmentLength', segmentLength, whole());
  check('restoredCarry: batchSize', batchSize, whole());
  check('restoredCarry: bpttDepth', bpttDepth, whole(0));
  const isRecord = typeof saved === 'object' && saved !== null;
  requireThat(isRecord, 'restoredCarry: the saved carry', 'a record of arrays', saved);
  const refuse = (what: string): never => {
    throw new MemgradError(
      `train: what was carried along the stream ${what}; it must come from the same training.`,
    );
  };
  const names = Object.keys(saved);
  const replayed = names.filter((name) => name.startsWith('inputs.')).length;
  if (replayed > bpttDepth) {
    refuse(`has ${replayed} segments to be read again, expected at most ${bpttDepth}`);
  }
  if (names.length === 0) return undefined;
  return scope((): Carry => {
    const start: Tree = 'initialState' in model ? model.initialState(batchSize) : null;
    const inputs = Array.from({ length: replayed }, (_, i): Tensor => {
      const given = saved[`inputs.${i}`];
      const tokens = isHostArray(given) ? given : undefined;
      const [size, time] = tokens?.shape ?? [];
      const fits = size === batchSize && time > 0 && time <= segmentLength; // the last segment may be shorter
      if (tokens?.dtype !== 'int32' || tokens.shape.length !== 2 || !fits) {
        return refuse(`has no int32 [${batchSize}, ${segmentLength}] as 'inputs.${i}'`);
      }
      if (!tokens.data.every((token) => token >= 0 && token < task.vocabulary)) {
        refuse(`has a token in 'inputs.${i}' that is none of the ${task.vocabulary} of the task`);
      }
      return tensor(tokens.data, { shape: tokens.shape, backend });
    });
    const states = Array.from({ length: replayed + 1 }, (_, i) =>
      restoredState(`states.${i}`, start, saved, refuse),
    );
    const restored = { states, inputs };
    const known = namedCarry(restored);
    const unknown = names.find((name) => !Object.hasOwn(known, name));
    if (unknown !== undefined) {
      refuse(`has a tensor ${JSON.stringify(unknown).slice(0, 80)} that is not known`);
    }
    return restored;
  });
}
