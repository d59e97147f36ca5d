/**
 * Profiles a training step of memgrad: time inside the kernels of the backend, by kernel, and
 * outside them, in the engine's own JavaScript.
 */
import { watch } from '../dist/index.js';
import { median, printTable } from './lib/table.mjs';
import { prepare, useBackend, workloads } from './lib/workload.mjs';

/**
 * `alone`: the milliseconds of calls that were not divided among threads.
 * @typedef {{ calls: number, ms: number, alone: number }} Entry
 */

/** How many jobs workers were given: the backend notifies a worker of each. */
let jobs = 0;
const { notify } = Atomics;
Atomics.notify = (...args) => {
  jobs++;
  return notify(...args);
};

/**
 * The kernels that wasm has run since `exports.entries` was set: a prepared list calls them without
 * the backend's methods.
 * @type {{ entries: Map<string, Entry> | undefined, parts: number }}
 */
const exports = { entries: undefined, parts: 1 };
const { Instance } = WebAssembly;
WebAssembly.Instance = class extends Instance {
  get exports() {
    const all = super.exports;
    return Object.fromEntries(Object.keys(all).map((name) => [name, timedExport(name, all[name])]));
  }
};

/** Wraps a function that a module exports, to time it while `exports.entries` is set. */
function timedExport(name, f) {
  const wrapped = (...args) => {
    if (name === 'setPart') exports.parts = args[1]; // among how many threads the next is divided
    if (!exports.entries || name === 'setPart') return f(...args);
    const started = performance.now();
    const result = f(...args);
    add(exports.entries, name, performance.now() - started, exports.parts === 1);
    return result;
  };
  return Object.defineProperty(wrapped, 'length', { value: f.length });
}

/** Adds a call to the entry of a kernel; `isAlone`: it was not divided among threads. */
function add(entries, label, ms, isAlone) {
  const entry = entries.get(label) ?? { calls: 0, ms: 0, alone: 0 };
  entry.calls++;
  entry.ms += ms;
  if (isAlone) entry.alone += ms;
  entries.set(label, entry);
}

/**
 * Wraps `object` to time every method into `entries` under its name, and likewise objects inside it
 * (a table of fused kernels, say). Time in a kernel called by another counts for the outer one.
 * @param {object} object
 * @param {Map<string, Entry>} entries
 */
export function timed(object, entries, detail = false, prefix = '') {
  let depth = 0;
  const wrapped = new Map();
  const wrap = (name, value) => {
    if (typeof value === 'function') {
      return (...args) => {
        if (depth > 0) return value.apply(object, args);
        depth++;
        const before = jobs;
        const started = performance.now();
        try {
          const result = value.apply(object, args);
          return name === 'prepare' && result ? timedList(result, entries) : result;
        } finally {
          depth--;
          const ms = performance.now() - started;
          add(entries, prefix + labelOf(name, args, detail), ms, jobs === before);
        }
      };
    }
    const isTable =
      value !== null &&
      typeof value === 'object' &&
      !Array.isArray(value) &&
      !ArrayBuffer.isView(value);
    return isTable && isKernelTable(value) ? timed(value, entries, detail, `${name}.`) : value;
  };
  return new Proxy(object, {
    get(target, name) {
      const value = target[name];
      if (typeof name !== 'string') return value;
      const known = wrapped.get(name);
      if (known && known.of === value) return known.by;
      const by = wrap(name, value);
      wrapped.set(name, { of: value, by });
      return by;
    },
  });
}

const LIST = 'prepared list: run';

/** Wraps a prepared list to time its runs as one entry. */
function timedList(list, entries) {
  const { run } = timed({ run: (inputs) => list.run(inputs) }, entries, false, 'prepared list: ');
  return { run, renumber: (again) => list.renumber(again), dispose: () => list.dispose() };
}

/** Whether an object holds only functions: a table of kernels. */
function isKernelTable(value) {
  const members = Object.values(value);
  return members.length > 0 && members.every((member) => typeof member === 'function');
}

/** The name of a kernel in the table; with `detail`, also the size of a matrix product. */
function labelOf(name, args, detail) {
  if (typeof args[0] === 'string') return `${name}:${args[0]}`;
  const spec = args[2];
  if (name === 'matmul' && spec) {
    const { m, n, k, transposeA, transposeB, batch } = spec;
    const kind = `${transposeA ? 'T' : 'N'}${transposeB ? 'T' : 'N'}`;
    return detail ? `matmul ${kind} ${batch.join('x') || '1'} * ${m}x${k}x${n}` : `matmul ${kind}`;
  }
  if (detail && name === 'assemble') return `assemble [${args[0].join(', ')}] of ${args[3].length}`;
  return name;
}

/** Counts the operations of a step by name: all that `watch` sees. */
async function countOperations(loop) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  // `watch` takes synchronous functions; the whole step is computed before the first await.
  let stepped;
  watch(
    () => {
      stepped = loop.next();
    },
    ({ operation }) => counts.set(operation, (counts.get(operation) ?? 0) + 1),
  );
  await stepped;
  return counts;
}

/** Profiles a workload on one backend, prints the tables and returns the raw numbers. */
export async function profile({
  backend: name,
  workload = 'step',
  steps = 5,
  warmUp = 5,
  detail = false,
  threads,
}) {
  /** @type {Map<string, Entry>} */
  const entries = new Map();
  const backend = await useBackend(name, (real) => timed(real, entries, detail), threads);
  const { loop } = prepare(workloads[workload], backend);
  await loop.next(); // compiles code, allocates moments
  const operations = await countOperations(loop);
  for (let i = 0; i < warmUp; i++) await loop.next();
  entries.clear();
  const take = async () => {
    const walls = [];
    for (let i = 0; i < steps; i++) {
      const started = performance.now();
      await loop.next();
      walls.push(performance.now() - started);
    }
    return walls;
  };
  const walls = await take();
  const total = walls.reduce((sum, wall) => sum + wall, 0);
  const print = (title, entries, last) => {
    const rows = [...entries].sort((a, b) => b[1].ms - a[1].ms);
    const inside = rows.reduce((sum, [, { ms }]) => sum + ms, 0);
    const calls = rows.reduce((sum, [, entry]) => sum + entry.calls, 0);
    const alone = rows.reduce((sum, [, entry]) => sum + entry.alone, 0);
    const row = (label, count, ms, alone) => [
      label,
      (count / steps).toFixed(0),
      (ms / steps).toFixed(3),
      `${((100 * ms) / total).toFixed(1)} %`,
      count ? ((1000 * ms) / count).toFixed(1) : '',
      ...(threads ? [alone === undefined ? '' : (alone / steps).toFixed(2)] : []),
    ];
    printTable(
      title,
      ['kernel', 'calls', 'ms', 'share', 'us per call', ...(threads ? ['ms on one thread'] : [])],
      [
        ...rows.map(([label, entry]) => row(label, entry.calls, entry.ms, entry.alone)),
        row('inside kernels', calls, inside, alone),
        ...last(inside).map(([label, ms]) => row(label, 0, ms)),
      ],
    );
    return inside;
  };
  const title = `${name}: ${workloads[workload].title}; ${steps} steps, median ${median(walls).toFixed(2)} ms`;
  const inside = print(title, entries, (inside) => [['outside kernels', total - inside]]);
  const ofList = new Map();
  if (name === 'wasm' && entries.has(LIST)) {
    // In steps of their own, since timing each kernel takes time too.
    exports.entries = ofList;
    await take();
    exports.entries = undefined;
    print('The kernels of the prepared list, timed one by one in as many steps', ofList, () => []);
  }
  const operationCount = [...operations.values()].reduce((sum, count) => sum + count, 0);
  const most = [...operations].sort((a, b) => b[1] - a[1]);
  console.log(
    `${operationCount} operations a step: ${most.map(([operation, count]) => `${count} ${operation}`).join(', ')}`,
  );
  return {
    backend: name,
    workload,
    steps,
    operations: Object.fromEntries(operations),
    msPerStep: walls,
    outsideShare: 1 - inside / total,
    kernels: Object.fromEntries(entries),
    kernelsOfList: Object.fromEntries(ofList),
  };
}

/** Profiles each backend on each requested workload. */
export async function profileAll({
  backends,
  workloads: wanted = ['step'],
  quick,
  detail,
  threads,
}) {
  const found = [];
  for (const backend of backends) {
    for (const workload of wanted) {
      const few = backend === 'cpu' || quick;
      // The engine's own share of a small step depends on how well its code is compiled.
      const warm = workload === 'small' && !few;
      const [steps, warmUp] = few ? [2, 5] : warm ? [1000, 2000] : [10, 10];
      found.push(
        await profile({ backend, workload, steps, warmUp, detail, threads: threads?.[0] }),
      );
    }
  }
  return found;
}
