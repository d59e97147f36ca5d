/** The kernels of fused operations. */
import { type DeviceBuffer, declined, type Kernels, type Result } from '../backend.js';
import { outsideTable } from '../outside-table.js';
import { fusedNames } from './exports.js';
import type { Heap } from './heap.js';
import type { Exports, WasmBuffer } from './kernels.js';

type FusedName = (typeof fusedNames)[number];

/** Calls a compiled function; returns the buffers of the results and the function's own result. */
type Call = (
  inputs: readonly (DeviceBuffer | undefined)[],
  numbers: readonly number[],
  results: readonly Result[],
) => { made: WasmBuffer[]; returned: number };

/**
 * Each kernel allocates its results in `heap` and calls one compiled function, whose arguments are
 * the addresses of the inputs (0 for an omitted one), the numbers, and the addresses of the
 * results. If `<name>Scratch` is exported too, the address of scratch memory of that many bytes
 * follows.
 */
export function fusedKernels(exports: Exports, heap: Heap): Partial<Kernels> {
  const calls = Object.fromEntries(
    fusedNames.map((name) => [name, marshalled(name, exports, heap)]),
  ) as Record<FusedName, Call>;

  const plain = Object.fromEntries(
    fusedNames.map((name) => [name, (...all: Parameters<Call>) => calls[name](...all).made]),
  );

  /**
   * Declines if a result isn't finite: the kernel gives masked positions weight 0, and 0 times a
   * masked NaN is NaN.
   */
  const ifFinite = ({ made }: ReturnType<Call>) => {
    if (made.every(({ address, size }) => exports.finite(address, size))) return made;
    for (const buffer of made) heap.free(buffer);
    return declined;
  };

  return {
    ...(plain as unknown as Pick<Kernels, FusedName>),
    attention: (...all) => ifFinite(calls.attention(...all)),
    attentionGradient: (...all) => ifFinite(calls.attentionGradient(...all)),
    crossEntropy(inputs, numbers, results) {
      const { made, returned: bad } = calls.crossEntropy(inputs, numbers, results);
      if (bad < 0) return made;
      for (const buffer of made) heap.free(buffer);
      const [[, targets], [, , classes]] = [inputs, numbers];
      throw outsideTable('crossEntropy', heap.ints[at(targets) / 4 + bad], bad, classes);
    },
    linear([x, weight, bias], [rows, outputs, width, relu], results) {
      const scratch = heap.scratch(exports.matmulScratch(outputs, width));
      const made = heap.buffers(results);
      exports.matmul(
        ...[at(x), 4 * width, 4, at(weight), 4, 4 * width, at(made[0]), 4 * outputs],
        ...[rows, outputs, width, scratch, at(bias), relu ? 0 : -Infinity],
      );
      return made;
    },
    projections([x, weight], [parts, rows, outputs, width], results) {
      const scratch = heap.scratch(exports.matmulScratch(outputs, width));
      const made = heap.buffers(results);
      for (let part = 0; part < parts; part++) {
        exports.matmul(
          ...[at(x), 4 * width, 4, at(weight) + 4 * part * outputs * width, 4, 4 * width],
          ...[at(made[part]), 4 * outputs, rows, outputs, width, scratch, 0, -Infinity],
        );
      }
      return made;
    },
    rotate([cos, sin, ...rows], [sign, ...numbers], results) {
      const made = heap.buffers(results);
      rows.forEach((x, i) => {
        exports.rotate(at(x), at(cos), at(sin), sign, ...numbers, at(made[i]));
      });
      return made;
    },
    norm(tensors, counts, results) {
      const room = heap.scratch(16 * Math.max(...counts));
      const made = heap.buffers(results);
      let next = 0;
      counts.forEach((count, i) => {
        const group = tensors.slice(next, next + count);
        next += count;
        const entries = group.flatMap((x) => [at(x), x.size]);
        exports.norm(heap.table(room, entries, 16 * count), count, at(made[0]) + 4 * i);
      });
      return made;
    },
    adam(inputs, [beta1, beta2, epsilon, decay], results) {
      const made = heap.buffers(results);
      const count = results.length / 3;
      const [rates, scale] = inputs.slice(-2);
      for (let i = 0; i < count; i++) {
        exports.adam(
          ...[0, 1, 2, 3].map((part) => at(inputs[part * count + i])),
          ...[0, 1, 2].map((part) => at(made[part * count + i])),
          ...[inputs[i].size, beta1, beta2, 1 - beta1, 1 - beta2],
          ...[epsilon, decay, at(rates), at(scale)],
        );
      }
      return made;
    },
  };
}

/** Returns the call of the compiled function `name`. */
function marshalled(name: FusedName, exports: Exports, heap: Heap): Call {
  const optional = exports as Partial<Record<string, (...numbers: readonly number[]) => number>>;
  const scratchName = `${name}Scratch`;
  const hasScratch = scratchName in exports;
  const parameters = exports[name].length - Number(hasScratch);
  return (inputs, numbers, results) => {
    const scratch = heap.scratch(optional[scratchName]?.(...numbers) ?? 0);
    const made = heap.buffers(results);
    const all: number[] = [];
    for (const input of inputs) all.push(input ? at(input) : 0);
    all.push(...numbers);
    for (const buffer of made) all.push(at(buffer));
    while (all.length < parameters) all.push(0); // an optional result that isn't wanted
    if (hasScratch) all.push(scratch);
    return { made, returned: exports[name](...all) };
  };
}

function at(buffer: DeviceBuffer): number {
  return (buffer as WasmBuffer).address;
}
