/** The fused kernels of the wasm backend. */
import type { AttentionInputs, AttentionSpec, DeviceBuffer, FusedKernels } from '../backend.js';
import { outsideTable } from '../outside-table.js';
import type { Heap } from './heap.js';
import type { Kernels, WasmBuffer } from './kernels.js';
import type { Run } from './threads.js';

/** Each allocates its results in `heap` and runs one compiled kernel, by `run` on up to `threads` threads where it can be split. */
export function fusedKernels(
  kernels: Kernels,
  heap: Heap,
  run: Run,
  threads: number,
): Partial<FusedKernels> {
  /** `made`, or nothing where a value isn't finite: the weights of the kernel are 0 where the mask is, and 0 times NaN is NaN. */
  const ifFinite = (made: WasmBuffer[]): WasmBuffer[] | undefined => {
    if (made.every(({ address, size }) => kernels.finite(address, size))) return made;
    for (const buffer of made) heap.free(buffer);
    return undefined;
  };
  const attentionScratch = ({ queries, keys, width, valueWidth }: AttentionSpec) =>
    heap.scratch(threads * kernels.attentionScratch(queries, keys, width, valueWidth));
  return {
    linear: (x, weight, bias, relu, width) => {
      const [rows, outputs] = [x.size / width, bias.size];
      const scratch = heap.scratch(threads * kernels.matmulScratch(outputs, width));
      const out = heap.buffer('float32', rows * outputs);
      run('matmul', rows * outputs * width, [
        ...[at(x), 4 * width, 4, at(weight), 4, 4 * width, out.address, 4 * outputs],
        ...[rows, outputs, width, scratch, at(bias), relu ? 0 : -Infinity],
      ]);
      return out;
    },
    reluGradient: (y, g) => {
      const out = like(heap, g);
      kernels.reluGradient(at(y), at(g), out.address, g.size);
      return out;
    },
    softmax: (x, mask, scale, width) => {
      const out = like(heap, x);
      const maskRows = mask ? mask.size / width : 0;
      const from = (mask as WasmBuffer | undefined)?.address ?? 0;
      kernels.softmax(at(x), from, maskRows, scale, x.size / width, width, out.address);
      return out;
    },
    softmaxGradient: (y, g, scale, width) => {
      const out = like(heap, y);
      kernels.softmaxGradient(at(y), at(g), scale, y.size / width, width, out.address);
      return out;
    },
    layerNorm: (x, weight, bias, epsilon) => {
      const out = like(heap, x);
      const { size: width } = weight;
      kernels.layerNorm(
        ...[at(x), at(weight), at(bias), epsilon, x.size / width, width, out.address],
      );
      return out;
    },
    layerNormGradient: (x, weight, g, epsilon) => {
      const { size: width } = weight;
      const totals = heap.scratch(16 * (width + 4));
      const [gx, gWeight, gBias] = likeEach(heap, [x, weight, weight]);
      kernels.layerNormGradient(
        ...[at(x), at(weight), at(g), epsilon, x.size / width, width],
        ...[gx.address, gWeight.address, gBias.address, totals],
      );
      return [gx, gWeight, gBias];
    },
    rotate: (x, cos, sin, sign, heads, width) => {
      const out = like(heap, x);
      const half = width / heads / 2;
      const [rows, time] = [x.size / width, cos.size / half];
      kernels.rotate(at(x), at(cos), at(sin), sign, rows, time, heads, half, out.address);
      return out;
    },
    attention: (inputs, spec) => {
      const { batch, heads, queries, valueWidth } = spec;
      const scratch = attentionScratch(spec);
      const out = heap.buffer('float32', batch * heads * queries * valueWidth);
      const numbers = [...attentionNumbers(inputs, spec), out.address, scratch];
      run('attention', attentionWork(spec), numbers);
      return ifFinite([out])?.[0];
    },
    attentionGradient: (inputs, gradient, spec) => {
      const scratch = attentionScratch(spec);
      const { q, k, v, bias } = inputs;
      const made = likeEach(heap, bias ? [q, k, v, bias] : [q, k, v]);
      const [gq, gk, gv, gBias] = made.map(at);
      run('attentionGradient', 3 * attentionWork(spec), [
        ...attentionNumbers(inputs, spec),
        ...[at(gradient), gq, gk, gv, gBias ?? 0, scratch],
      ]);
      return ifFinite(made);
    },
    crossEntropy: (x, targets, ignored, width) => {
      const out = heap.buffer('float32', targets.size);
      const bad = kernels.crossEntropy(
        ...[at(x), at(targets), ignored, targets.size, width, out.address],
      );
      if (bad < 0) return out;
      heap.free(out);
      throw outsideTable('crossEntropy', heap.ints[at(targets) / 4 + bad], bad, width);
    },
    crossEntropyGradient: (x, targets, g, ignored, width) => {
      const out = like(heap, x);
      kernels.crossEntropyGradient(
        ...[at(x), at(targets), at(g), ignored, targets.size, width, out.address],
      );
      return out;
    },
    dropout: (x, residual, rate, { hi, lo }) => {
      const out = like(heap, x);
      const from = residual ? at(residual) : 0;
      kernels.dropout(at(x), from, rate, 1 / (1 - rate), hi, lo, out.address, x.size);
      return out;
    },
    norm: (buffers) => {
      const total = buffers.reduce((sum, x) => kernels.sumSquares(at(x), x.size, sum), 0);
      const out = heap.buffer('float32', 1);
      heap.floats[out.address / 4] = Math.sqrt(total);
      return out;
    },
    adam: (parameters, gradients, first, second, spec) => {
      const { beta1, beta2, rate, root, epsilon, gradientScale, decay, shrink } = spec;
      const made = likeEach(heap, [...parameters, ...first, ...second]);
      const count = parameters.length;
      parameters.forEach((p, i) => {
        kernels.adam(
          ...[p, gradients[i], first[i], second[i]].map(at),
          ...[made[i], made[count + i], made[2 * count + i]].map(at),
          ...[p.size, beta1, beta2, 1 - beta1, 1 - beta2, rate, root, epsilon],
          ...[gradientScale, decay, shrink],
        );
      });
      return [made.slice(0, count), made.slice(count, 2 * count), made.slice(2 * count)];
    },
  };
}

function attentionWork({ batch, heads, queries, keys, width, valueWidth }: AttentionSpec): number {
  return batch * heads * queries * keys * (width + valueWidth);
}

/** The arguments that the kernels of attention have in common. */
function attentionNumbers(
  { q, k, v, mask, bias }: AttentionInputs,
  { batch, heads, queries, keys, width, valueWidth, scale }: AttentionSpec,
): number[] {
  const maskStep = mask && mask.size > queries * keys ? 4 * queries * keys : 0;
  return [
    ...[at(q), at(k), at(v), mask ? at(mask) : 0, maskStep, bias ? at(bias) : 0, scale],
    ...[batch, heads, queries, keys, width, valueWidth],
  ];
}

function at(buffer: DeviceBuffer): number {
  return (buffer as WasmBuffer).address;
}

function like(heap: Heap, x: DeviceBuffer): WasmBuffer {
  return heap.buffer(x.dtype, x.size);
}

/** All or none, when memory ends in between. */
function likeEach(heap: Heap, all: readonly DeviceBuffer[]): WasmBuffer[] {
  const made: WasmBuffer[] = [];
  try {
    for (const x of all) made.push(like(heap, x));
  } catch (error) {
    for (const buffer of made) heap.free(buffer);
    throw error;
  }
  return made;
}
