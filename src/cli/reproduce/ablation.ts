/** Which of our settings matter: each taken back to another, most to the paper's, the rest as they are. */
import type { TaskConfig } from '../../runs/index.js';
import type { Cell } from './experiment.js';
import type { Scale } from './scales.js';
import { type PaperTraining, type Row, taskCells } from './task-cells.js';

const SEGMENT = 12; // tokens, and memory tokens

/** In the order of the table. */
const changes: Readonly<Record<string, Pick<Row, 'model' | 'training' | 'memoryTokens'>>> = {
  'as they are': {},
  'rotary base 10000, not 100': { model: { rotaryBase: 10_000 } },
  'relative positions': { model: { positions: 'relative' } },
  "the paper's relative positions": { model: { positions: 'relative-wrapped' } },
  'absolute positions': { model: { positions: 'absolute' } },
  'norm after each sub-layer': { model: { norm: 'post', finalNorm: false } },
  'memory begins as one vector': { model: { memInit: 'repeated' } },
  'write tokens of their own': { model: { writeTokens: 'own' } },
  'embeddings times √d': { model: { scaleEmbeddings: true } },
  'weights by their number of inputs': { model: { init: 'wide' } },
  'heads of 16, not 32': { model: { dHead: 16 } },
  'half the memory': { memoryTokens: SEGMENT / 2 },
  'learning rate 1e-3': { training: { learningRate: 1e-3 } },
  'learning rate 4e-3': { training: { learningRate: 4e-3 } },
  "the paper's learning rate, 1e-4": { training: { learningRate: 1e-4 } },
  'no warm-up': { training: { warmUp: 0 } },
  'batches of 8': { training: { batchSize: 8 } },
  'gradients through one border only': { training: { bpttDepth: 1 } },
  'no gradients through memory': { training: { bpttDepth: 0 } },
};

const tasks: readonly {
  readonly title: string;
  readonly task: TaskConfig;
  readonly steps: number;
}[] = [
  {
    title: 'copy',
    task: { name: 'copy', options: { length: 12, symbols: 10, copies: 2 } },
    steps: 600,
  },
  {
    title: 'reverse',
    task: { name: 'reverse', options: { length: 12, symbols: 10 } },
    steps: 1000,
  },
];

/** RMT on small tasks, for each change. */
export function ablationCells(paper: PaperTraining, scale: Scale): Cell[] {
  return tasks.flatMap(({ title, task, steps }) =>
    Object.entries(changes).flatMap(([change, what]) =>
      taskCells(
        [
          {
            row: `${title}: ${change}`,
            task,
            segmentLength: SEGMENT,
            steps,
            paper: {},
            ...what,
          },
        ],
        ['rmt'],
        paper,
        scale,
      ),
    ),
  );
}
