/**
 * Checks whether a run fits in memory before anything is allocated, since some engines end without
 * an error when it doesn't.
 */
import { Key } from '../autograd/index.js';
import { MemgradError } from '../errors.js';
import { modelReads } from '../models/index.js';
import { type Task, TextTask } from '../tasks/index.js';
import { leastParameters } from './config.js';
import type { RunConfig } from './schema.js';

const GIB = 2 ** 30;
/**
 * Bytes of JavaScript's heap that the tape of one segment takes, per layer and besides. Measured in
 * Node, minus a seventh.
 */
const TAPE = { layer: 7000, segment: 3500 };

/** The least memory that a training step takes, in bytes. */
export interface LeastMemory {
  /** Tensors, in the backend's memory. */
  readonly tensors: number;
  /** The tokens of a batch, in arrays of the host. */
  readonly tokens: number;
  /** JavaScript objects. */
  readonly heap: number;
}

/** Lower bounds: a run that exceeds one of them cannot fit. `task` is the task of `config`. */
export function leastMemory(config: RunConfig, task: Task): LeastMemory {
  const { nLayer, dModel, dtype } = config.model.config;
  const { batchSize, segmentLength, checkpointSegments } = config.training;
  // A step on a text reads one segment.
  const { time, promptLength } =
    task instanceof TextTask
      ? { time: segmentLength, promptLength: 1 }
      : task.batch(Key.of(0), 1, 'train');
  // With no state to carry, segments before the answer are not read.
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
  // Parameters and their gradients. Inputs and predictions are int32 with every dtype.
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

/**
 * Numbers that the tape keeps of a segment of one sequence, after `earlier` other segments. A
 * segment that is not `answered` computes only its state.
 */
function keptBy(config: RunConfig, tokens: number, earlier: number, answered: boolean): number {
  const { nToken, nLayer, nHead, dModel, dHead, dInner, memAtEnd = true } = config.model.config;
  // Per layer and row: the inputs of two norms, queries, keys, values and the output of attention,
  // and the hidden rows.
  const layer = 2 * dModel + 4 * nHead * dHead + dInner;
  const memory = memoryRows(config) * (carriesMemory(config) && memAtEnd ? 2 : 1);
  const keysOfCache = nLayer * 2 * nHead * dHead * cachedRows(config, earlier);
  // The last layer may compute only the rows that are read after it.
  const last = answered ? tokens * (layer + nToken) : 0;
  return (nLayer - 1) * (tokens + memory) * layer + last + keysOfCache;
}

function memoryRows({ model: { name, config } }: RunConfig): number {
  return modelReads(name, 'numMemTokens') ? config.numMemTokens : 0;
}

/** Whether the model's memory is part of its state. */
function carriesMemory({ model: { name } }: RunConfig): boolean {
  return modelReads(name, 'memAtEnd');
}

/** The rows of each layer's cache after `segments` segments. */
function cachedRows({ model: { name, config }, training }: RunConfig, segments: number): number {
  return modelReads(name, 'memLen')
    ? Math.min(config.memLen, segments * training.segmentLength)
    : 0;
}

/** The rows of the state after `segments` segments. */
function stateRows(config: RunConfig, segments: number): number {
  if (segments === 0) return 0;
  const memory = carriesMemory(config) ? memoryRows(config) : 0;
  return memory + (config.model.config.nLayer + 1) * cachedRows(config, segments);
}

/** Throws `MemgradError` for a run whose training step doesn't fit in this machine's memory. */
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

/** In bytes; `Infinity` where the engine doesn't tell. */
function thisMachine(): { total: number; heapLimit: number } {
  const builtin = globalThis.process?.getBuiltinModule;
  const allowed = globalThis.process?.constrainedMemory?.() || Infinity; // by a container
  const total = Math.min(builtin?.('node:os')?.totalmem() ?? Infinity, allowed);
  const heapLimit = builtin?.('node:v8')?.getHeapStatistics().heap_size_limit ?? 4 * GIB;
  return { total, heapLimit };
}
