/** The gated activation of the feed-forward layers of LLaMA and PaLM. */
import { commonDtype, refuseExtra, requireLike } from '../arguments.js';
import { type Operation, run } from '../run.js';
import type { Tensor } from '../tensor.js';
import { add, mul, sigmoid, sub } from './elementwise.js';

declare module '../../backends/backend.js' {
  interface Kernels {
    /** a sigmoid(a) b for each pair of values. */
    swiglu: Kernel<[a: DeviceBuffer, b: DeviceBuffer], [size: number]>;
    /** The gradients of `swiglu` with respect to a and b, where g is the gradient of its result. */
    swigluGradient: Kernel<[a: DeviceBuffer, b: DeviceBuffer, g: DeviceBuffer], [size: number]>;
  }
}

const swigluOperation: Operation = {
  name: 'swiglu',
  infer: ([a, b]) => [{ shape: a.shape, dtype: commonDtype('swiglu', [a, b]) }],
  forward: ({ kernels }, [a, b], _, results) =>
    kernels?.swiglu?.([a.buffer, b.buffer], [a.size], results),
  definition: ([a, b]) => [mul(mul(a, sigmoid(a)), b)],
  keepsRules: true, // the steps of the definition add infinities of both signs
  gradients: {
    together: ([g], { inputs: [a, b] }) => run(swigluGradientOperation, [a, b, g], undefined),
  },
};

const swigluGradientOperation: Operation = {
  name: 'swigluGradient',
  infer: ([a, b]) => [a, b],
  forward: ({ kernels }, [a, b, g], _, results) =>
    kernels?.swigluGradient?.([a.buffer, b.buffer, g.buffer], [a.size], results),
  definition([a, b, g]) {
    const s = sigmoid(a);
    const silu = mul(a, s);
    // The derivative of silu is s (1 + a (1 - s)) = s + silu(a) (1 - s).
    return [mul(mul(g, b), add(s, mul(silu, sub(1, s)))), mul(g, silu)];
  },
  gradients: 'definition',
};

/**
 * silu(a) * b with silu(a) = a sigmoid(a) (Shazeer 2020, arXiv 2002.05202). Both have one floating
 * dtype and one shape, which is also the shape of the result. Throws `MemgradError` when they
 * differ.
 */
export function swiglu(a: Tensor, b: Tensor): Tensor;
export function swiglu(a: Tensor, b: Tensor, ...extra: unknown[]): Tensor {
  refuseExtra('swiglu', extra);
  requireLike('swiglu', a, b);
  return run(swigluOperation, [a, b], undefined)[0];
}
