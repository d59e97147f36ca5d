/** Whether a run fits into memory, told before anything of it is made: some engines end without an error when it does not. */
import { Key } from '../autograd/index.js';
import { MemgradError } from '../errors.js';
import type { Task } from '../tasks/index.js';
import { hasMemory, leastParameters, type RunConfig } from './config.js';

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
  const { nLayer, dModel, dtype } = config.model.config;
  const { batchSize, segmentLength, checkpointSegments } = config.training;
  const { time, promptLength } = task.batch(Key.of(0), 1, 'train');
  // Where nothing is carried, segments before the answer are not read.
  const prompt = Math.floor((promptLength - 1) / segmentLength);
  const first = stateRows(config, 1) > 0 ? 0 : prompt;
  const segments = Math.ceil(time / segmentLength);
  let states = 0;
  let tape = 0;
  let largest = 0;
  for (let index = first; index < segments; index++) {
    const tokens = Math.min(segmentLength, time - index * segmentLength);
    const kept = keptBy(config, tokens, index, index >= prompt);
    tape += kept;
    largest = Math.max(largest, kept);
    states += dModel * stateRows(config, index);
  }
  // A parameter and its gradient; inputs and predictions are int32 whatever the dtype is.
  const row = states + (checkpointSegments ? largest : tape);
  const numbers = 2 * leastParameters(config) + batchSize * row;
  const all = batchSize * time;
  const answered = batchSize * (time - prompt * segmentLength);
  return {
    tensors: numbers * (dtype === 'float64' ? 8 : 4) + 4 * (all + answered),
    tokens: 16 * all, // inputs and targets, whole and in segments
    heap: (segments - first) * (TAPE.segment + (checkpointSegments ? 0 : nLayer * TAPE.layer)),
  };
}

/** Numbers that the tape keeps of one sequence's segment, the one after `earlier` others; of a segment that is not `answered` the state alone is wanted. */
function keptBy(config: RunConfig, tokens: number, earlier: number, answered: boolean): number {
  const { nToken, nLayer, nHead, dModel, dHead, dInner, memAtEnd = true } = config.model.config;
  // Of each layer and row: inputs of two norms, queries, keys, values and what attention returns, the hidden rows.
  const layer = 2 * dModel + 4 * nHead * dHead + dInner;
  const memory = memoryRows(config) * (config.model.name !== 'mem-transformer' && memAtEnd ? 2 : 1);
  const keysOfCache = nLayer * 2 * nHead * dHead * cachedRows(config, earlier);
  // The last layer may compute the rows alone that are read behind it.
  const last = answered ? tokens * (layer + nToken) : 0;
  return (nLayer - 1) * (tokens + memory) * layer + last + keysOfCache;
}

function memoryRows({ model: { name, config } }: RunConfig): number {
  return hasMemory(name) ? config.numMemTokens : 0;
}

/** The rows of each layer's cache behind `segments` segments. */
function cachedRows({ model: { name, config }, training }: RunConfig, segments: number): number {
  const keeps = name === 'transformer-xl' || name === 'transformer-xl-rmt';
  return keeps ? Math.min(config.memLen, segments * training.segmentLength) : 0;
}

/** The rows of the state behind `segments` segments: MemTransformer carries its memory nowhere. */
function stateRows(config: RunConfig, segments: number): number {
  if (segments === 0) return 0;
  const {
    name,
    config: { nLayer },
  } = config.model;
  const memory = name === 'mem-transformer' ? 0 : memoryRows(config);
  return memory + (nLayer + 1) * cachedRows(config, segments);
}

/** Throws `MemgradError` for a run whose training steps no memory here holds. */
export function requireMemory(config: RunConfig, task: Task, backend: string): void {
  const { tensors, tokens, heap } = leastMemory(config, task);
  const { total, heapLimit } = thisMachine();
  const flat = config.training.checkpointSegments;
  const shorter = `a smaller batchSize, shorter samples or ${flat ? 'fewer rows of cache and memory' : 'checkpointSegments'}`;
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
  const allowed = globalThis.process?.constrainedMemory?.() || Infinity; // by a container
  const total = Math.min(builtin?.('node:os')?.totalmem() ?? Infinity, allowed);
  const heapLimit = builtin?.('node:v8')?.getHeapStatistics().heap_size_limit ?? 4 * GIB;
  return { total, heapLimit };
}
