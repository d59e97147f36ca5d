/** The allocator of the wasm backend: random load, growth, reuse, the end of memory. */
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Heap } from '../../src/backends/wasm/heap.js';
import { OutOfMemory } from '../../src/errors.js';

const test = suite('heap');
const MIB = 2 ** 20;
const LONG = Boolean(process.env.MEMGRAD_LONG);
const runs = { seed: 20_240_602, numRuns: LONG ? 1000 : 50 };

/** A block that a test holds: `mark` stands in each of its words. */
interface Held {
  address: number;
  bytes: number;
  mark: number;
}

/** A heap and what a test holds of it. Every block is filled when it comes and looked at before it goes. */
class Load {
  readonly held: Held[] = [];
  #marks = 0;

  constructor(readonly heap: Heap) {
    heap.start(1000);
  }

  allocate(bytes: number): Held {
    const address = this.heap.allocate(bytes);
    assert.is(address % 16, 0, 'a multiple of 16');
    assert.ok(address >= 1000, 'behind the base');
    assert.ok(address + padded(bytes) <= this.heap.memory.buffer.byteLength, 'inside memory');
    const block = { address, bytes, mark: ++this.#marks };
    this.heap
      .valuesOf('int32')
      .subarray(address / 4, address / 4 + padded(bytes) / 4)
      .fill(block.mark);
    this.held.push(block);
    return block;
  }

  release(index: number): void {
    const [block] = this.held.splice(index, 1);
    this.check(block);
    this.heap.release(block.address, block.bytes);
  }

  check({ address, bytes, mark }: Held): void {
    const words = this.heap
      .valuesOf('int32')
      .subarray(address / 4, address / 4 + padded(bytes) / 4);
    for (let i = 0; i < words.length; i++) {
      if (words[i] !== mark) assert.unreachable(`${bytes} bytes at ${address} were overwritten`);
    }
  }

  /** Contents are intact and blocks apart from each other, padding to 16 bytes included. */
  checkAll(): void {
    for (const block of this.held) this.check(block);
    const sorted = [...this.held].sort((a, b) => a.address - b.address);
    for (let i = 1; i < sorted.length; i++) {
      const end = sorted[i - 1].address + padded(sorted[i - 1].bytes);
      assert.ok(sorted[i].address >= end, 'blocks overlap');
    }
  }
}

/** Kernels may write what is left of 16 bytes, so that belongs to the block too. */
function padded(bytes: number): number {
  return Math.max(16, Math.ceil(bytes / 16) * 16);
}

/** Small sizes, sizes around the classes, and some large ones. */
const bytes = fc
  .oneof(
    fc.integer({ min: 0, max: 300 }),
    fc
      .tuple(fc.integer({ min: 4, max: 18 }), fc.integer({ min: -5, max: 5 }))
      .map(([power, off]) => 2 ** power + 4 * off),
    fc.integer({ min: 0, max: 30_000 }).map((words) => 4 * words),
  )
  .map((n) => Math.max(0, n));

const action = fc.oneof(
  { weight: 5, arbitrary: bytes.map((n) => ({ what: 'allocate' as const, n })) },
  { weight: 4, arbitrary: fc.nat().map((n) => ({ what: 'release' as const, n })) },
  { weight: 1, arbitrary: bytes.map((n) => ({ what: 'scratch' as const, n })) },
);

/** Runs `actions`; those that find no room are counted and leave everything as it was. */
function run(load: Load, actions: readonly { what: string; n: number }[]): number {
  let refused = 0;
  let scratch: Held | undefined;
  for (const { what, n } of actions) {
    if (what === 'release') {
      if (load.held.length > 0) load.release(n % load.held.length);
      continue;
    }
    try {
      if (what === 'allocate') load.allocate(n);
      else {
        scratch = undefined;
        const address = load.heap.scratch(n);
        if (n > 0)
          load.heap
            .valuesOf('int32')
            .subarray(address / 4, address / 4 + Math.floor(n / 4))
            .fill(-1);
        scratch = { address, bytes: n, mark: -1 };
      }
    } catch (error) {
      assert.instance(error, OutOfMemory);
      refused++;
    }
  }
  load.checkAll();
  if (scratch) {
    for (const { address, bytes } of load.held) {
      const apart =
        scratch.address + scratch.bytes <= address || address + bytes <= scratch.address;
      assert.ok(scratch.bytes === 0 || apart, 'scratch overlaps a block');
    }
  }
  return refused;
}

test('blocks never overlap and keep their contents, under any load', () => {
  fc.assert(
    fc.property(fc.array(action, { maxLength: 120, size: 'max' }), (actions) => {
      assert.is(run(new Load(new Heap()), actions), 0);
    }),
    runs,
  );
});

test('the same where memory ends again and again', () => {
  let refused = 0;
  fc.assert(
    fc.property(fc.array(action, { maxLength: 120, size: 'max' }), (actions) => {
      refused += run(new Load(new Heap(MIB)), actions);
    }),
    runs,
  );
  assert.ok(refused > 10, `memory ended ${refused} times only`);
});

test('released blocks serve the same sizes again: memory stays as large as it was', () => {
  fc.assert(
    fc.property(fc.array(bytes, { minLength: 1, maxLength: 50 }), fc.nat(), (sizes, seed) => {
      const load = new Load(new Heap());
      let addresses = '';
      for (let round = 0; round < 4; round++) {
        // In another order each time.
        const order = sizes
          .map((n, i) => ({ n, key: Math.imul(i + seed * round, 2654435761) >>> 0 }))
          .sort((a, b) => a.key - b.key);
        for (const { n } of order) load.allocate(n);
        const now = load.held.map(({ address }) => address).sort((a, b) => a - b);
        if (round === 0) addresses = now.join();
        else assert.is(now.join(), addresses, `round ${round}`);
        while (load.held.length > 0) load.release(0);
      }
    }),
    runs,
  );
});

test('a size class wastes less than a quarter', () => {
  for (const n of [17, 65, 100, 129, 1000, 4097, 65_537, MIB + 1, 3 * MIB + 4]) {
    const heap = new Heap();
    heap.start(0);
    const [first, second] = [heap.allocate(n), heap.allocate(n)];
    assert.ok(second - first >= padded(n));
    assert.ok(second - first <= Math.max(padded(n), 1.25 * n), `${n} bytes take ${second - first}`);
  }
});

test('growth keeps what is in memory, and views follow', () => {
  const load = new Load(new Heap());
  const { floats, ints } = load.heap;
  load.allocate(1000);
  load.allocate(8 * MIB);
  assert.is.not(load.heap.floats, floats);
  assert.is.not(load.heap.ints, ints);
  assert.is(load.heap.floats.byteLength, load.heap.memory.buffer.byteLength);
  assert.is(load.heap.floats, load.heap.floats, 'made once for each size');
  load.checkAll();
});

test('scratch is kept while it is large enough, and given back when it is not', () => {
  const load = new Load(new Heap());
  const first = load.heap.scratch(4096);
  assert.is(load.heap.scratch(100), first);
  assert.is(load.heap.scratch(4096), first);
  const larger = load.heap.scratch(10_000);
  assert.is.not(larger, first);
  assert.is(load.allocate(4096).address, first);
});

test('the end of memory is an error that says how much there is, and what was there stays', () => {
  const load = new Load(new Heap(4 * MIB));
  load.allocate(2 * MIB);
  assert.throws(
    () => load.allocate(3 * MIB),
    (error: unknown) =>
      error instanceof OutOfMemory &&
      error.message ===
        'wasm: out of memory: 3 MiB more do not fit, with 3 MiB in use; the limit is 4 MiB. ' +
          'Free tensors (scope), or use smaller batches or segments.',
  );
  load.allocate(MIB);
  load.checkAll();
});

test('a system that gives no more ends memory too', () => {
  const heap = new Heap();
  heap.start(0);
  heap.memory.grow = () => {
    throw new RangeError('no');
  };
  assert.throws(() => heap.allocate(2 * MIB), /with 0 MiB in use; the system grants only 1 MiB\./);
  assert.type(heap.allocate(MIB / 2), 'number');
});

test('more than 4 GiB are refused, and nothing grows', () => {
  const heap = new Heap();
  heap.start(0);
  for (const size of [2 ** 32, 2 ** 40, 4e18]) {
    assert.throws(
      () => heap.allocate(size),
      (error: unknown) => error instanceof OutOfMemory,
    );
  }
  assert.is(heap.memory.buffer.byteLength, MIB);
});

test('many small blocks, freed, make room for a large one, and the other way round', () => {
  const load = new Load(new Heap(4 * MIB));
  for (let round = 0; round < 3; round++) {
    const fill = (n: number) => {
      try {
        for (;;) load.allocate(n);
      } catch (error) {
        assert.instance(error, OutOfMemory);
      }
      const held = load.held.reduce((sum, { bytes }) => sum + bytes, 0);
      assert.ok(held > 3.7 * MIB, `${held} bytes of blocks of ${n}`);
      load.checkAll();
      while (load.held.length > 0) load.release(load.held.length - 1);
    };
    fill(4096);
    fill(1.25 * MIB);
    fill(48);
  }
});

test.run();
