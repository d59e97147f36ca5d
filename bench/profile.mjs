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
          return value.apply(object, args);
        } finally {
          const ms = performance.now() - started;
          depth--;
          const label = prefix + labelOf(name, args, detail);
          const entry = entries.get(label) ?? { calls: 0, ms: 0, alone: 0 };
          entry.calls++;
          entry.ms += ms;
          if (jobs === before) entry.alone += ms;
          entries.set(label, entry);
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
  detail = false,
  threads,
}) {
  /** @type {Map<string, Entry>} */
  const entries = new Map();
  const backend = await useBackend(name, (real) => timed(real, entries, detail), threads);
  const { loop } = prepare(workloads[workload], backend);
  await loop.next(); // compiles code, allocates moments
  const operations = await countOperations(loop);
  entries.clear();
  const walls = [];
  for (let i = 0; i < steps; i++) {
    const started = performance.now();
    await loop.next();
    walls.push(performance.now() - started);
  }
  const total = walls.reduce((sum, wall) => sum + wall, 0);
  const rows = [...entries].sort((a, b) => b[1].ms - a[1].ms);
  const inside = rows.reduce((sum, [, { ms }]) => sum + ms, 0);
  const calls = rows.reduce((sum, [, entry]) => sum + entry.calls, 0);
  const share = (ms) => `${((100 * ms) / total).toFixed(1)} %`;
  const alone = rows.reduce((sum, [, entry]) => sum + entry.alone, 0);
  const row = (label, count, ms, alone) => [
    label,
    (count / steps).toFixed(0),
    (ms / steps).toFixed(2),
    share(ms),
    count ? ((1000 * ms) / count).toFixed(1) : '',
    ...(threads ? [alone === undefined ? '' : (alone / steps).toFixed(2)] : []),
  ];
  printTable(
    `${name}: ${workloads[workload].title}; ${steps} steps, median ${median(walls).toFixed(1)} ms`,
    ['kernel', 'calls', 'ms', 'share', 'us per call', ...(threads ? ['ms on one thread'] : [])],
    [
      ...rows.map(([label, entry]) => row(label, entry.calls, entry.ms, entry.alone)),
      row('inside kernels', calls, inside, alone),
      row('outside kernels', 0, total - inside),
    ],
  );
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
      const steps = backend === 'cpu' || quick ? 2 : 10;
      found.push(await profile({ backend, workload, steps, detail, threads: threads?.[0] }));
    }
  }
  return found;
}
