/** The text of swiglu, a sigmoid(a) b, and of its gradients. */
import type { Kernels } from '../../backend.js';
import type { Runner } from '../runner.js';

const logistic = `fn logistic(x: f32) -> f32 { return 1.0 / (1.0 + exponential(-x)); }
`;
const gate = `  let x: vec4f = a_at(t);
  let s: vec4f = vec4f(logistic(x.x), logistic(x.y), logistic(x.z), logistic(x.w));
`;

const forward = `${logistic}fn compute(t: i32) -> vec4f {
${gate}  return x * s * b_at(t);
}`;

const gradientOfA = `${logistic}fn compute(t: i32) -> vec4f {
${gate}  let one: vec4f = vec4f(1.0, 1.0, 1.0, 1.0);
  return c_at(t) * b_at(t) * (s + x * s * (one - s));
}`;

const gradientOfB = `${logistic}fn compute(t: i32) -> vec4f {
${gate}  return b_at(t) * (x * s);
}`;

export function swigluKernels(runner: Runner): Pick<Kernels, 'swiglu' | 'swigluGradient'> {
  return {
    swiglu: ([a, b], [size]) => [runner.run('swiglu', () => forward, [a, b], 'float32', size)],
    swigluGradient([a, b, g], [size]) {
      const ofA = runner.run('swiglu a', () => gradientOfA, [a, b, g], 'float32', size);
      try {
        return [ofA, runner.run('swiglu b', () => gradientOfB, [a, g], 'float32', size)];
      } catch (error) {
        runner.free(ofA);
        throw error;
      }
    },
  };
}
