/** The fused kernels of the wasm backend. */
import type { AttentionInputs, AttentionSpec, DeviceBuffer, FusedKernels } from '../backend.js';
import type { Heap } from './heap.js';
import type { Kernels, WasmBuffer } from './kernels.js';

/** Each allocates its results in `heap` and runs one compiled kernel. */
export function fusedKernels(kernels: Kernels, heap: Heap): FusedKernels {
  return {
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
    normalize: (x, epsilon, width) => {
      const out = like(heap, x);
      kernels.normalize(at(x), epsilon, x.size / width, width, out.address);
      return out;
    },
    normalizeGradient: (x, g, epsilon, width) => {
      const out = like(heap, x);
      kernels.normalizeGradient(at(x), at(g), epsilon, x.size / width, width, out.address);
      return out;
    },
    rotate: (x, cos, sin, sign, heads, width) => {
      const out = like(heap, x);
      const half = width / heads / 2;
      const [rows, time] = [x.size / width, cos.size / half];
      kernels.rotate(at(x), at(cos), at(sin), sign, rows, time, heads, half, out.address);
      return out;
    },
    attention: (inputs, spec) => {
      const { batch, heads, queries, keys, width, valueWidth } = spec;
      const scratch = heap.scratch(kernels.attentionScratch(queries, keys, width, valueWidth));
      const out = heap.buffer('float32', batch * heads * queries * valueWidth);
      kernels.attention(...attentionNumbers(inputs, spec), out.address, scratch);
      return out;
    },
    attentionGradient: (inputs, gradient, spec) => {
      const { queries, keys, width, valueWidth } = spec;
      const scratch = heap.scratch(kernels.attentionScratch(queries, keys, width, valueWidth));
      const { q, k, v, bias } = inputs;
      const made = likeEach(heap, bias ? [q, k, v, bias] : [q, k, v]);
      const [gq, gk, gv, gBias] = made.map(at);
      kernels.attentionGradient(
        ...attentionNumbers(inputs, spec),
        ...[at(gradient), gq, gk, gv, gBias ?? 0, scratch],
      );
      return made;
    },
    adam: (p, g, m, v, { beta1, beta2, rate, root, epsilon, shrink }) => {
      const [p2, m2, v2] = likeEach(heap, [p, m, v]);
      kernels.adam(
        ...[p, g, m, v, p2, m2, v2].map(at),
        ...[p.size, beta1, beta2, 1 - beta1, 1 - beta2, rate, root, epsilon, shrink],
      );
      return [p2, m2, v2];
    },
  };
}

/** The arguments that the kernels of attention have in common. */
function attentionNumbers(
  { q, k, v, mask, bias }: AttentionInputs,
  { batch, heads, queries, keys, width, valueWidth, scale }: AttentionSpec,
): number[] {
  const maskStep = mask && mask.size > queries * keys ? 4 * queries * keys : 0;
  return [
    ...[at(q), at(k), at(v), mask ? at(mask) : 0, maskStep, bias ? at(bias) : 0, scale],
    ...[0, batch * heads, heads, queries, keys, width, valueWidth],
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
