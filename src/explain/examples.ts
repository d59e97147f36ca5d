/** Example expressions. */
import type { Nested } from '../autograd/index.js';

/** An expression that illustrates something, with values for its variables. */
export interface Example {
  readonly name: string;
  readonly expression: string;
  readonly at: Readonly<Record<string, Nested>>;
  /** What it illustrates. */
  readonly about: string;
}

/** The example expressions, from simple to complex. */
export const examples: readonly Example[] = [
  {
    name: 'One neuron',
    expression: 'tanh(w * x + b)',
    at: { w: 0.5, x: 2, b: -0.25 },
    about: 'The chain rule: three operations, and each multiplies the gradient by its own slope.',
  },
  {
    name: 'Two layers and a loss',
    expression:
      'h = tanh(matmul(x, W) + b);\ny = matmul(h, V);\nloss = mean((y - [[1], [0]]) ** 2)',
    at: {
      x: [
        [1, -1],
        [0.5, 2],
      ],
      W: [
        [0.5, -1, 0.25],
        [1, 0.5, -0.5],
      ],
      b: [0.1, 0, -0.1],
      V: [[0.5], [-0.5], [1]],
    },
    about: 'A batch of two samples: the bias is repeated for both, so its gradient is a sum.',
  },
  {
    name: 'Softmax and cross-entropy',
    expression: 'e = exp(z);\np = e / sum(e);\nloss = -sum([1, 0, 0] * log(p))',
    at: { z: [1, 2, -0.5] },
    about: 'The gradient of z is p minus the target, [1, 0, 0].',
  },
  {
    name: 'A recurrent step, three times',
    expression: 'h = tanh(w * h + u * 0.5);\nh = tanh(w * h + u * -1);\nh = tanh(w * h + u * 0.25)',
    at: { w: 0.8, h: 0.1, u: 1 },
    about: 'Going back in time, every step multiplies the gradient by w (1 - h²).',
  },
];
