/** What training along a stream carries from one step to the next, held so that it can be saved. */
import { scope, type Tensor, type Tree, tensor, treeLeaves } from '../autograd/index.js';
import type { Backend } from '../backends/backend.js';
import { MemgradError } from '../errors.js';
import type { HostArray } from '../models/arrays.js';
import { EncoderRMT } from '../models/encoder-rmt.js';
import { namedState, restoredState } from '../models/saved-state.js';
import type { SegmentModel } from '../models/segment-model.js';
import type { AnyTask } from '../tasks/index.js';
import type { Named } from './optimizers.js';
import type { Carry } from './stream-loss.js';

/** The training that a saved carry must fit, as `train` takes it. */
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
 * Where training along a stream stands: `train` keeps in it what the next segment is read with.
 * Whoever makes one disposes of it.
 */
export class Carried {
  /** Undefined before the first segment of the streams. */
  carry: Carry | undefined;

  /** Takes `carry` over and frees the one before. */
  keep(carry: Carry | undefined): void {
    for (const part of treeLeaves(this.carry)) part.dispose();
    this.carry = carry;
  }

  /** Tensors by name, for saving: `states.I.J` and `inputs.I`, as in `Carry`; none where nothing is carried. The next step frees them. */
  state(): Named<Tensor> {
    return this.carry ? named(this.carry) : {};
  }

  /**
   * Goes on from what `state` gave. Throws `MemgradError` for what this training never carries; it
   * then stands where it stood.
   */
  restore(
    saved: Readonly<Record<string, HostArray>>,
    { model, task, segmentLength, batchSize = 32, bpttDepth = 0, backend }: CarriedBy,
  ): void {
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
    const carry = scope((): Carry | undefined => {
      if (names.length === 0) return undefined;
      const start: Tree = model instanceof EncoderRMT ? null : model.initialState(batchSize);
      const inputs = Array.from({ length: replayed }, (_, i): Tensor => {
        const tokens = saved[`inputs.${i}`];
        const [size, time] = tokens?.shape ?? [];
        const fits = size === batchSize && time > 0 && time <= segmentLength; // the streams' end is shorter
        if (tokens?.dtype !== 'int32' || tokens.shape.length !== 2 || !fits) {
          refuse(`has no int32 [${batchSize}, ${segmentLength}] as 'inputs.${i}'`);
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
      const known = named(restored);
      const unknown = names.find((name) => !Object.hasOwn(known, name));
      if (unknown !== undefined) {
        refuse(`has a tensor ${JSON.stringify(unknown).slice(0, 80)} that is not known`);
      }
      return restored;
    });
    this.keep(carry);
  }

  /** Frees what is carried. */
  dispose(): void {
    this.keep(undefined);
  }
}

function named({ states, inputs }: Carry): Named<Tensor> {
  return {
    ...Object.assign({}, ...states.map((state, i) => namedState(`states.${i}`, state))),
    ...namedState('inputs', inputs),
  };
}
