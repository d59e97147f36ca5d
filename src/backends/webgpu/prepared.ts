/**
 * Launches that were recorded once and run again: on other inputs, without the code that made them.
 * Before the first run, launches that only complete the result of another one are merged into it.
 */
import type { DeviceBuffer } from '../backend.js';
import type { WebGPUDevice } from './device.js';
import type { Completion, Launch } from './launch.js';
import { type GpuBuffer, type Memory, sizeClass } from './memory.js';
import type { Compiled } from './pipelines.js';

/** Which inputs of a completing launch may be the result that it completes, and the operands beside. */
const pairs: Record<Completion['name'], readonly (readonly [of: number, operand: number])[]> = {
  addend: [
    [1, 0],
    [0, 1],
  ],
  reluGradient: [[1, 0]],
};

/** Takes launches in place of the GPU. */
export interface Notes {
  add(launch: Launch, outputs: readonly GpuBuffer[]): void;
  /** Memory that has a place only during a run. */
  memory(bytes: number): Memory;
  /** Keeps memory that was uploaded, since nobody else will release it. */
  keep(memory: Memory): void;
  /** While numbers are noted: the outputs of the launch that `launch` repeats. */
  renumbered(launch: Launch): GpuBuffer[] | undefined;
}

/** Memory of a list that stands for a block in each run. */
interface Place extends Memory {
  block: number;
}

interface Node {
  launch: Launch;
  buffers: readonly GpuBuffer[];
  outputs: readonly GpuBuffer[];
  /** Whether its numbers may change. */
  readonly isMarked: boolean;
  compiled?: Compiled;
  /** The numbers as words: offsets, integers, floats. */
  words: Int32Array;
  /** Memory and bind group of the last run. */
  memories: Memory[];
  group: GPUBindGroup | undefined;
}

export class Prepared implements Notes {
  readonly #inputs: readonly GpuBuffer[];
  #nodes: Node[] = [];
  /** The launches of all parts. */
  readonly #marked: Node[] = [];
  #isMarking = false;
  /** The next launch to be renumbered. */
  #next: Iterator<Node> | undefined;
  #results: readonly GpuBuffer[] = [];
  /** Bytes of each block that all runs need, and whose memory returns to the pool after a run. */
  readonly #blocks: number[] = [];
  /** Places of results: fresh memory in each run, which the caller owns. */
  readonly #owned: Place[] = [];
  readonly #kept: Memory[] = [];

  constructor(
    readonly device: WebGPUDevice,
    inputs: readonly GpuBuffer[],
  ) {
    this.#inputs = snapshots(inputs);
  }

  memory(bytes: number): Memory {
    const place: Place = {
      ...{ id: -1, bytes, gpu: undefined as never, recording: -1 },
      references: Infinity, // never released
      block: -1,
    };
    return place;
  }

  keep(memory: Memory): void {
    this.#kept.push(memory);
  }

  part<T>(f: () => T): T {
    this.#isMarking = true;
    try {
      return f();
    } finally {
      this.#isMarking = false;
    }
  }

  add(launch: Launch, outputs: readonly GpuBuffer[]): void {
    const node: Node = {
      launch,
      buffers: [],
      outputs,
      isMarked: this.#isMarking,
      words: new Int32Array(),
      memories: [],
      group: undefined,
    };
    this.#nodes.push(node);
    if (node.isMarked) this.#marked.push(node);
  }

  /** Merges, places and compiles what was noted. `results` are the buffers that a run returns. */
  finish(results: readonly GpuBuffer[]): void {
    this.#results = results;
    const lasting = new Set(results.map(({ memory }) => memory));
    this.#merge(lasting);
    this.#absorb(lasting);
    for (const node of this.#nodes) {
      const { key, make, inputs, ints = [], floats = [] } = node.launch;
      node.buffers = snapshots([...(inputs as readonly GpuBuffer[]), ...node.outputs]);
      node.compiled = this.device.pipelines.of(key, make);
      node.words = new Int32Array(node.buffers.length + ints.length + floats.length);
      number(node, ints, floats);
    }
    this.#place(lasting);
  }

  /**
   * Merges launches that only complete a result of another into it, where nothing else reads that
   * result.
   */
  #merge(lasting: ReadonlySet<Memory | undefined>): void {
    /** The places in the list of the launches that write into a memory, and that read it. */
    const writers = new Places();
    const readers = new Places();
    for (const [place, { launch, outputs }] of this.#nodes.entries()) {
      for (const { memory } of outputs) writers.add(memory, place);
      for (const { memory } of launch.inputs as readonly GpuBuffer[]) readers.add(memory, place);
    }
    const gone = new Set<Node>();
    for (const [place, node] of this.#nodes.entries()) {
      const { completion: name, inputs } = node.launch;
      if (!name || node.isMarked) continue;
      for (const [of, by] of pairs[name]) {
        const [result, operand] = [inputs[of], inputs[by]] as GpuBuffer[];
        const [from, ...others] = writers.of(result.memory);
        const producer = this.#nodes[from];
        if (!producer || others.length > 0 || producer.isMarked) continue;
        if (lasting.has(result.memory) || readers.of(result.memory).length > 1) continue;
        const output = producer.outputs.findIndex(({ memory }) => memory === result.memory);
        if (producer.outputs[output].size !== result.size) continue;
        // Where the operand comes later, so must the merged launch, with all of its results.
        const isEarly = writers.of(operand.memory).every((writer) => writer < from);
        const isLate = producer.outputs.every(
          ({ memory }, i) => i === output || readers.of(memory).every((reader) => reader > place),
        );
        if (!isEarly && !isLate) continue;
        const launch = producer.launch.complete?.({ name, operand }, output);
        if (!launch) continue;
        const [kept, dropped] = isEarly ? [producer, node] : [node, producer];
        const [to, left] = isEarly ? [from, place] : [place, from];
        for (const { memory } of dropped.launch.inputs as readonly GpuBuffer[]) {
          readers.move(memory, left, to);
        }
        const [completed] = node.outputs;
        kept.outputs = producer.outputs.map((buffer, i) => (i === output ? completed : buffer));
        for (const { memory } of producer.outputs) writers.move(memory, from, to);
        writers.move(completed.memory, place, to);
        kept.launch = launch;
        gone.add(dropped);
        break;
      }
    }
    this.#nodes = this.#nodes.filter((node) => !gone.has(node));
  }

  /** Lets launches take over earlier ones whose results only they read. */
  #absorb(lasting: ReadonlySet<Memory | undefined>): void {
    const writers = new Map<Memory | undefined, Node>();
    const readers = new Map<Memory | undefined, Set<Node>>();
    const memoriesOf = ({ launch }: Node) =>
      (launch.inputs as readonly GpuBuffer[]).map(({ memory }) => memory);
    for (const node of this.#nodes) {
      for (const { memory } of node.outputs) writers.set(memory, node);
      for (const memory of memoriesOf(node)) {
        readers.set(memory, (readers.get(memory) ?? new Set()).add(node));
      }
    }
    const gone = new Set<Node>();
    /** Takes over one launch, if there is one. */
    const absorb = (node: Node): boolean => {
      for (const maker of new Set(memoriesOf(node).map((memory) => writers.get(memory)))) {
        if (!maker?.launch.absorbable || maker.isMarked || node.isMarked) continue;
        const isOnly = maker.outputs.every(
          ({ memory }) =>
            readers.get(memory)?.size === 1 &&
            readers.get(memory)?.has(node) &&
            !lasting.has(memory),
        );
        const launch = isOnly && node.launch.absorb?.(maker.launch, maker.outputs);
        if (!launch) continue;
        for (const memory of memoriesOf(maker)) {
          readers.get(memory)?.delete(maker);
          readers.get(memory)?.add(node);
        }
        node.launch = launch;
        gone.add(maker);
        return true;
      }
      return false;
    };
    for (const node of this.#nodes) while (absorb(node));
    this.#nodes = this.#nodes.filter((node) => !gone.has(node));
  }

  /** Gives each place a block. A block is used again after the last launch that uses the place. */
  #place(lasting: ReadonlySet<Memory | undefined>): void {
    const last = new Map<Place, number>();
    this.#nodes.forEach(({ buffers }, i) => {
      for (const { memory } of buffers) if (isPlace(memory)) last.set(memory, i);
    });
    const free = new Map<number, number[]>();
    this.#nodes.forEach(({ buffers, outputs }, i) => {
      for (const { memory } of outputs) {
        if (!isPlace(memory) || memory.block >= 0 || lasting.has(memory)) continue;
        const bytes = sizeClass(memory.bytes);
        memory.block = free.get(bytes)?.pop() ?? this.#blocks.push(bytes) - 1;
      }
      for (const memory of new Set(buffers.map(({ memory }) => memory))) {
        if (!isPlace(memory) || memory.block < 0 || last.get(memory) !== i) continue;
        const bytes = this.#blocks[memory.block];
        free.set(bytes, [...(free.get(bytes) ?? []), memory.block]);
      }
    });
    for (const memory of lasting) if (isPlace(memory)) this.#owned.push(memory);
  }

  /**
   * Runs the list with `inputs` in place of the recorded ones. Returns new buffers of the results;
   * undefined, and runs nothing, where inputs lie in memory in another way than the recorded ones.
   */
  run(inputs: readonly DeviceBuffer[]): GpuBuffer[] | undefined {
    const { device } = this;
    const known = new Map<Memory, { memory: Memory; shift: number }>();
    for (const [i, { memory, at }] of this.#inputs.entries()) {
      const now = inputs[i] as GpuBuffer;
      if (!memory) continue;
      const moved = { memory: device.memories.of(now), shift: now.at - at };
      const earlier = known.get(memory);
      if (earlier && (earlier.memory !== moved.memory || earlier.shift !== moved.shift)) {
        return undefined;
      }
      known.set(memory, moved);
    }
    const taken: Memory[] = [];
    const take = (bytes: number) => {
      const memory = device.memories.take(bytes);
      taken.push(memory);
      return memory;
    };
    try {
      const blocks = this.#blocks.map(take);
      const owned = new Map(this.#owned.map((place) => [place as Memory, take(place.bytes)]));
      const memoryOf = (buffer: GpuBuffer): Memory => {
        const { memory } = buffer;
        if (!memory) return device.memories.of(buffer);
        if (isPlace(memory)) return owned.get(memory) ?? blocks[memory.block];
        return known.get(memory)?.memory ?? memory;
      };
      for (const node of this.#nodes) {
        const { compiled, buffers, memories, words } = node;
        for (let i = 0; i < buffers.length; i++) {
          const memory = memoryOf(buffers[i]);
          if (memory !== memories[i]) {
            memories[i] = memory;
            node.group = undefined;
          }
          const { shift = 0 } = known.get(buffers[i].memory as Memory) ?? {};
          words[i] = (buffers[i].at + shift) / (compiled as Compiled).words[i];
        }
        node.group ??= device.pipelines.group(compiled as Compiled, memories);
        device.record(
          compiled as Compiled,
          memories,
          node.group,
          node.launch.groups,
          (word, ints) => {
            ints.set(words, word);
            return word + words.length;
          },
        );
      }
      return this.#results.map((buffer) => {
        const memory = buffer.memory && memoryOf(buffer);
        if (memory) memory.references++;
        const { shift = 0 } = known.get(buffer.memory as Memory) ?? {};
        return { ...buffer, memory, at: buffer.at + shift };
      });
    } finally {
      for (const memory of taken) device.release(memory);
    }
  }

  /**
   * Runs `again`, which launches the same kernels as all parts did, in order, and takes over their
   * numbers.
   */
  renumber(again: () => void): void {
    this.#next = this.#marked.values();
    try {
      this.device.noting(this, again);
    } finally {
      this.#next = undefined;
    }
  }

  renumbered({ ints = [], floats = [] }: Launch): GpuBuffer[] | undefined {
    if (!this.#next) return undefined;
    const node: Node = this.#next.next().value;
    number(node, ints, floats);
    return [...node.outputs];
  }

  /** Frees what only the list uses. */
  dispose(): void {
    for (const memory of this.#kept.splice(0)) this.device.release(memory);
  }
}

/** Places in a list, by memory. */
class Places {
  readonly #places = new Map<Memory | undefined, number[]>();

  of(memory: Memory | undefined): readonly number[] {
    return this.#places.get(memory) ?? [];
  }

  add(memory: Memory | undefined, place: number): void {
    this.#places.set(memory, [...this.of(memory), place]);
  }

  move(memory: Memory | undefined, from: number, to: number): void {
    const moved = this.of(memory).map((place) => (place === from ? to : place));
    this.#places.set(memory, moved);
  }
}

/** Copies of buffers, whose memory is known after they are freed. */
function snapshots(buffers: readonly GpuBuffer[]): GpuBuffer[] {
  return buffers.map((buffer) => ({ ...buffer }));
}

function isPlace(memory: Memory | undefined): memory is Place {
  return memory !== undefined && 'block' in memory;
}

/** Writes the numbers of a launch behind the offsets of its buffers. */
function number(
  { words, buffers }: Node,
  ints: readonly number[],
  floats: readonly number[],
): void {
  words.set(ints, buffers.length);
  new Float32Array(words.buffer).set(floats, buffers.length + ints.length);
}
