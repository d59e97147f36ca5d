/** Whether a run fits into memory, told before anything of it is made: some engines end without an error when it does not. */
import { Key } from '../autograd/index.js';
import { MemgradError } from '../errors.js';
import type { Task } from '../tasks/index.js';
import { leastParameters, type RunConfig } from './config.js';

const GIB = 2 ** 30;
/** What the tape of one segment takes of JavaScript's heap, in bytes: for each layer, and besides. Measured in Node, less a seventh. */
const TAPE = { layer: 7000, segment: 3500 };

/** The least bytes that a training step takes, by what holds them. */
export interface LeastMemory {
  /** Tensors, on the backend. */
  readonly tensors: number;
  /** The tokens of a batch, as arrays of the host. */
  readonly tokens: number;
  /** JavaScript's own objects. */
  readonly heap: number;
}

/** A lower bound for each: what it says does not fit never would. `task` is that of `config`. */
export function leastMemory(config: RunConfig, task: Task): LeastMemory {
  const { nToken, nLayer, nHead, dModel, dHead, dInner, dtype } = config.model.config;
  const { batchSize, segmentLength, checkpointSegments } = config.training;
  const { time } = task.batch(Key.of(0), 1, 'train');
  const segments = Math.ceil(time / segmentLength);
  const inSegment = batchSize * Math.min(segmentLength, time);
  const all = batchSize * time;
  // Of each layer and token: inputs of two norms, queries, keys, values and what attention returns, the hidden rows.
  const kept = nLayer * (2 * dModel + 4 * nHead * dHead + dInner);
  const rows = (checkpointSegments ? inSegment : all) * kept + inSegment * nToken;
  // A parameter and its gradient; inputs are int32 whatever the dtype is.
  const numbers = 2 * leastParameters(config) + rows;
  return {
    tensors: numbers * (dtype === 'float64' ? 8 : 4) + 4 * all,
    tokens: 16 * all, // inputs and targets, whole and in segments
    heap: segments * (TAPE.segment + (checkpointSegments ? 0 : nLayer * TAPE.layer)),
  };
}

/** Throws `MemgradError` for a run whose training steps no memory here holds. */
export function requireMemory(config: RunConfig, task: Task, backend: string): void {
  const { tensors, tokens, heap } = leastMemory(config, task);
  const { total, heapLimit } = thisMachine();
  const shorter = 'a smaller batchSize, shorter samples or checkpointSegments';
  const most = backend === 'wasm' ? 4 * GIB : backend === 'cpu' ? total : Infinity;
  refuseBeyond(tensors, most, `memory on ${backend}`, shorter);
  refuseBeyond(tokens, total, 'memory for its tokens', 'a smaller batchSize or shorter samples');
  refuseBeyond(heap, heapLimit, "JavaScript's heap", 'longer segments or checkpointSegments');
}

function refuseBeyond(bytes: number, most: number, what: string, advice: string): void {
  if (bytes <= most) return;
  const gib = (value: number) => `${(value / GIB).toFixed(1)} GiB`;
  throw new MemgradError(
    `A training step of this configuration takes ${gib(bytes)} of ${what} or more, but there are ${gib(most)} at most; use ${advice}.`,
  );
}

/** Bytes, as far as the engine tells. */
function thisMachine(): { total: number; heapLimit: number } {
  const builtin = globalThis.process?.getBuiltinModule;
  const total = builtin?.('node:os')?.totalmem() ?? Infinity;
  const heapLimit = builtin?.('node:v8')?.getHeapStatistics().heap_size_limit ?? 4 * GIB;
  return { total, heapLimit };
}
