/** The Adam step: one kernel for each parameter, whose results are the parameter and its moments. */
import type { DeviceBuffer, Kernels } from '../../backend.js';
import type { Runner } from '../runner.js';

/**
 * The new values of the parameter `a`, first moment `c` and second moment `d` by the gradient `b`,
 * the rates `e` ([rate, root, shrink]) and the gradient's scale `f`; the old values if the scale
 * isn't finite.
 */
const adamText = (decays: boolean) => `fn compute(t: i32) -> vec4f {
  let p: vec4f = a_at(t);
  let scale: f32 = f_value(0);
  more1 = c_at(t);
  more2 = d_at(t);
  if (!is_finite(scale)) { return p; }
  let g: vec4f = scale * b_at(t)${decays ? ' + number5 * p' : ''};
  more1 = number0 * more1 + number1 * g;
  more2 = number2 * more2 + number3 * (g * g);
  let smallest: vec4f = vec4f(number4, number4, number4, number4);
  return e_value(2) * p - e_value(0) * more1 / (sqrt(more2) / e_value(1) + smallest);
}`;

export function adamKernels(runner: Runner): Pick<Kernels, 'adam'> {
  return {
    adam(inputs, [beta1, beta2, epsilon, decay], results) {
      const count = results.length / 3;
      const [rates, scale] = inputs.slice(-2);
      const decays = decay !== 0;
      const numbers = [beta1, 1 - beta1, beta2, 1 - beta2, epsilon, ...(decays ? [decay] : [])];
      const made: DeviceBuffer[][] = [];
      try {
        for (let i = 0; i < count; i++) {
          const own = [0, 1, 2, 3].map((part) => inputs[part * count + i]);
          made.push(
            runner.runAll(
              `adam ${decays}`,
              () => adamText(decays),
              [...own, rates, scale],
              'float32',
              own[0].size,
              { numbers, outputs: 3 },
            ),
          );
        }
      } catch (error) {
        for (const buffer of made.flat()) runner.free(buffer);
        throw error;
      }
      return [0, 1, 2].flatMap((part) => made.map((buffers) => buffers[part]));
    },
  };
}
