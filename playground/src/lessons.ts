/** The lessons: a text to read next to the controls, and its settings. */
import type { State } from './state.js';

/** A button for a change that the text suggests. */
export interface Change {
  readonly label: string;
  readonly state: Partial<State>;
  /**
   * The parts of the page that show the effect, by `data-shows`: the page scrolls to the first and
   * marks all.
   */
  readonly shows: readonly string[];
}

export interface Lesson {
  /** Its id in the address, `?lesson=id`. */
  readonly id: string;
  readonly title: string;
  /** The initial settings. */
  readonly state: Partial<State>;
  /** Paragraphs, each with buttons for the changes that it suggests. */
  readonly parts: readonly { readonly text: string; readonly changes?: readonly Change[] }[];
}

/** The expression of the second lesson. */
const CROSS_ENTROPY = 'e = exp(z);\np = e / sum(e);\nloss = -sum([1, 0, 0] * log(p))';

export const lessons: readonly Lesson[] = [
  {
    id: 'gradient',
    title: 'A first gradient',
    state: { tab: 'microscope', expression: 'tanh(w * x + b)', at: 'w=0.5, x=2, b=-0.25' },
    parts: [
      {
        text: 'One neuron: a weight w, an input x, a bias b. Press Forward three times. Each press runs one operation, and the tape keeps it with its value.',
      },
      {
        text: 'Press again: backward begins with 1, the derivative of the result with respect to itself. From here on every step takes one operation, the last one first, and passes its gradient on to the operation’s inputs. tanh multiplies it by its slope, + passes it on unchanged, * multiplies it by x for w, and by w for x.',
      },
      {
        text: 'At the end dw is 1.19317. It says: make w larger by 0.01, and the result grows by about 0.0119. Try it. The result was 0.635149.',
        changes: [
          {
            label: 'w = 0.51',
            state: { tab: 'microscope', expression: 'tanh(w * x + b)', at: 'w=0.51, x=2, b=-0.25' },
            shows: ['value-w'],
          },
        ],
      },
      {
        text: 'Make b 4. The result is almost 1 for any w; the slope of tanh is almost 0, and so is every gradient that passes through it. Such a neuron does not learn.',
        changes: [
          {
            label: 'b = 4',
            state: { tab: 'microscope', expression: 'tanh(w * x + b)', at: 'w=0.5, x=2, b=4' },
            shows: ['value-b'],
          },
        ],
      },
      {
        text: 'A value that is used more than once gets a gradient from every use, and they add up: for x * x + x at 3 they are 1 + 3 + 3.',
        changes: [
          {
            label: 'x used three times',
            state: { tab: 'microscope', expression: 'x * x + x', at: 'x=3' },
            shows: ['expression'],
          },
        ],
      },
    ],
  },
  {
    id: 'softmax',
    title: 'A softmax and its gradient',
    state: { tab: 'microscope', expression: CROSS_ENTROPY, at: 'z=[1,2,-0.5]' },
    parts: [
      {
        text: 'Softmax turns any numbers z into a distribution p: the exponential of each, divided by the sum of all. The loss is minus the logarithm of the probability of the right answer, here the first of three.',
      },
      {
        text: 'Press Last. dz is p minus the target, [1, 0, 0]. No single rule says so; it is the result of applying the rules of log, /, sum and exp one after the other. Go back step by step and watch it build up.',
      },
      {
        text: 'e is used twice: it is divided, and it is summed. Its gradient is the sum of the gradients of both uses, and the second one matters: raise one number of z, and all of p change.',
      },
      {
        text: 'The library has all of this as one operation, with one rule. It computes the same dz.',
        changes: [
          {
            label: 'As one operation',
            state: { tab: 'microscope', expression: 'crossEntropy(z, 0)', at: 'z=[1,2,-0.5]' },
            shows: ['expression'],
          },
        ],
      },
      {
        text: 'It also works where the long way fails. Make the first number of z 1000: its exponential overflows, infinity divided by infinity is not a number (NaN), and the gradient is lost. crossEntropy subtracts the largest number from all first, which doesn’t change p.',
        changes: [
          {
            label: '1000, the long way',
            state: { tab: 'microscope', expression: CROSS_ENTROPY, at: 'z=[1000,2,-0.5]' },
            shows: ['remarks', 'value-z'],
          },
          {
            label: '1000, as one operation',
            state: { tab: 'microscope', expression: 'crossEntropy(z, 0)', at: 'z=[1000,2,-0.5]' },
            shows: ['expression'],
          },
        ],
      },
    ],
  },
  {
    id: 'segment',
    title: 'Why a Transformer cannot see past its segment',
    state: { model: 'transformer', second: 'none', segments: 3 },
    parts: [
      {
        text: 'The task is to read six symbols and a “>”, and to repeat the symbols twice. The 18 tokens are cut into three segments of six, and the Transformer reads each one separately: when it has to repeat the symbols, they are in an earlier segment, which it no longer sees.',
      },
      {
        text: 'Press Start. The accuracy stays near 20%, although guessing one of eight symbols gets 12.5%. The difference is one symbol in twelve: the last symbol of the first copy is the first token of the third segment, so when the model predicts the last symbol of the second copy, it can see it. The sample shows its own answer: always the same.',
      },
      {
        text: 'Now use one segment instead of three and start again. The same model learns the task within some 150 steps. It was not too small; it could not see.',
        changes: [
          { label: 'One segment', state: { segments: 1, tab: 'train' }, shows: ['segments'] },
          { label: 'Three segments', state: { segments: 3, tab: 'train' }, shows: ['segments'] },
        ],
      },
      {
        text: 'With three segments, in the recurrence lens, the attention of each segment is a triangle of its own, and no gradient flows from one segment to another. A loss in segment 2 tells segment 1 nothing.',
        changes: [
          {
            label: 'Look at attention',
            state: { segments: 3, tab: 'lens', segment: 2 },
            shows: ['attention'],
          },
        ],
      },
    ],
  },
  {
    id: 'cache',
    title: 'How Transformer-XL’s cache helps, and where it stops',
    state: { model: 'transformer-xl', second: 'none', segments: 3, cache: 2 },
    parts: [
      {
        text: 'Transformer-XL keeps the last rows of every layer and attends to them from the next segment. With six rows, a whole segment, it learns to copy in a few hundred steps. Press “Six rows”, then Start.',
        changes: [
          {
            label: 'Six rows',
            state: { cache: 6, segments: 3, second: 'none', tab: 'train' },
            shows: ['cache'],
          },
        ],
      },
      {
        text: 'With two rows the accuracy stops near 60%. Only the last symbols that were read are within reach; it has to guess the others. (Somewhat more than two get through: a cached row of the second layer has itself attended to earlier rows.)',
        changes: [
          {
            label: 'Two rows',
            state: { cache: 2, segments: 3, second: 'none', tab: 'train' },
            shows: ['cache'],
          },
        ],
      },
      {
        text: 'Why does it not learn to put all six symbols into two rows? Because no gradient flows through the cache. Its rows are trained to help in their own segment, never to carry what a later one needs. The lens shows it: there is no gradient between segments.',
        changes: [
          {
            label: 'Look at attention',
            state: { tab: 'lens', segment: 2 },
            shows: ['attention'],
          },
        ],
      },
      {
        text: 'A longer cache reaches farther, until the sequence grows again: six segments of three tokens with four rows stop near 75%. RMT learns the same sequences completely with six memory tokens, since these do have a gradient.',
        changes: [
          {
            label: 'Six segments, four rows, and RMT',
            state: { cache: 4, segments: 6, second: 'rmt', tab: 'train' },
            shows: ['segments', 'cache', 'second'],
          },
        ],
      },
    ],
  },
  {
    id: 'memory',
    title: 'How RMT’s memory learns',
    state: { model: 'rmt', second: 'none', segments: 3, memory: 6 },
    parts: [
      {
        text: 'RMT puts six memory tokens before the segment, for reading, and the same six after it, for writing. The written memory goes to the next segment, with its gradient.',
      },
      {
        text: 'Press Start. For some sixty steps nothing happens. Then the loss falls, and within some 140 steps the task is learnt. In the lens watch the curves at the bottom: the gradient that flows back into segments 2 and 3 grows by ten times and more just before the loss falls. That is when segment 1 learns what to write. In a model where these curves stay low, recurrence never begins to learn.',
        changes: [{ label: 'Watch the gradient', state: { tab: 'lens' }, shows: ['gradient'] }],
      },
      {
        text: 'The attention of the write rows in segment 1 shows what was learnt: each of them picks a token of the sample. In segment 2, in the second layer, each token attends to the one read row that it needs.',
        changes: [
          {
            label: 'What segment 1 writes',
            state: { tab: 'lens', segment: 1, layer: 1 },
            shows: ['attention'],
          },
          {
            label: 'What segment 2 reads',
            state: { tab: 'lens', segment: 2, layer: 2 },
            shows: ['attention'],
          },
        ],
      },
      {
        text: 'Now erase: tick token 3 in the row “read by segment 2”. The third symbol is lost, in both copies, and in every other sample too (unless the guess happens to be right). Token 4 costs the fourth. Nobody told the model to give each symbol a token; the gradient did.',
        changes: [
          {
            label: 'Erase token 3',
            state: { tab: 'lens', erase: '2.3' },
            shows: ['answer', 'derivatives'],
          },
        ],
      },
      {
        text: 'Fewer memory tokens than symbols also work, but are slower to learn: a vector of 32 numbers has room for more than one of eight symbols. Try two.',
        changes: [
          {
            label: 'Two memory tokens',
            state: { memory: 2, erase: '', tab: 'train' },
            shows: ['memory'],
          },
          {
            label: 'Six memory tokens',
            state: { memory: 6, erase: '', tab: 'train' },
            shows: ['memory'],
          },
        ],
      },
    ],
  },
];

/** All changes that a lesson suggests, in order. */
export function changesOf({ parts }: Lesson): Change[] {
  return parts.flatMap(({ changes = [] }) => changes);
}
