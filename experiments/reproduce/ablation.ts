/** Which of our settings matter: each one changed alone, mostly to the paper's value. */
import type { Cell } from './experiment.js';
import { type Row, taskCells } from './task-cells.js';
import type { TextRow } from './text-cells.js';

type Settings = Partial<Pick<Row, 'task' | 'model' | 'training' | 'memoryTokens' | 'curriculum'>>;
type Changes = Readonly<Record<string, Settings>>;

/**
 * A task that RMT learns within about a minute, and the changes to test on it, in the order of the
 * table.
 */
interface Ablated extends Omit<Row, 'sizes' | 'paper'> {
  readonly changes: Changes;
}

/** Changes for every task, including `writeTokens`; bytes have `byteChanges`. */
const changesWith = (writeTokens: Changes): Changes => ({
  "the paper's relative positions": { model: { positions: 'relative-wrapped' } },
  'absolute positions': { model: { positions: 'absolute' } },
  'norm after each sub-layer': { model: { norm: 'post', finalNorm: false } },
  'memory begins as one vector': { model: { memInit: 'repeated' } },
  ...writeTokens,
  'embeddings times √d': { model: { scaleEmbeddings: true } },
  "the paper's learning rate, 1e-4": { training: { learningRate: 1e-4 } },
  'no gradients through memory': { training: { bpttDepth: 0 } },
});
const toOwnTokens: Changes = { 'write tokens of their own': { model: { writeTokens: 'own' } } };
const toCarriedTokens: Changes = {
  "the paper's write tokens": { model: { writeTokens: 'carried' } },
};

const symbolChanges: Changes = {
  ...changesWith(toOwnTokens),
  'gradients through one border only': { training: { bpttDepth: 1 } },
  'relative positions': { model: { positions: 'relative' } },
  'rotary base 10000, not 100': { model: { rotaryBase: 10_000 } },
  'learning rate 1e-3': { training: { learningRate: 1e-3 } },
  'learning rate 4e-3': { training: { learningRate: 4e-3 } },
  'no warm-up': { training: { warmUp: 0 } },
  'batches of 8': { training: { batchSize: 8 } },
  'weights by their number of inputs': { model: { init: 'wide' } },
  'heads of 16, not 32': { model: { dHead: 16 } },
  'half the memory': { memoryTokens: 6 },
  'growing by two symbols at 97%': { curriculum: { start: 2, by: 2, at: 0.97 } },
};

const tasks: readonly Ablated[] = [
  {
    row: 'copy',
    task: { name: 'copy', options: { length: 12, symbols: 10, copies: 2 } },
    segmentLength: 12,
    steps: 600,
    changes: symbolChanges,
  },
  {
    row: 'reverse',
    task: { name: 'reverse', options: { length: 12, symbols: 10 } },
    segmentLength: 12,
    steps: 1000,
    changes: symbolChanges,
  },
  {
    row: 'retrieval',
    task: { name: 'retrieval', options: { pairs: 2 } },
    segmentLength: 4, // both pairs, then the query
    steps: 1500,
    memoryTokens: 4,
    curriculum: { start: 2, by: 1, cuts: [6], at: 0.85 },
    model: { init: 'wide', nHead: 8, dHead: 16 },
    training: { batchSize: 128 },
    changes: {
      ...changesWith(toOwnTokens),
      'weights N(0, 0.02)': { model: { init: 'narrow' } },
      'heads of 32, half as many': { model: { nHead: 4, dHead: 32 } },
      'batches of 32': { training: { batchSize: 32 } },
      'one query to a list': {
        task: { name: 'retrieval', options: { pairs: 2, queries: 'one' } },
      },
    },
  },
];

/** RMT on each task, unchanged and with each change. */
export function ablationCells(): Cell[] {
  const rows = tasks.flatMap(({ changes, ...task }) => {
    const changed = rowsOf({ ...task, paper: {} }, { 'as they are': {}, ...changes });
    return changed.map((row) => ({ ...row, row: `${task.row}: ${row.row}` }));
  });
  return taskCells(rows, ['rmt'], 'small'); // larger models would take hours
}

const quadraticChanges: Changes = {
  'RMT as it is': {},
  'relative positions': { model: { positions: 'relative' } },
  ...changesWith(toCarriedTokens),
  'weights by their number of inputs': { model: { init: 'wide' } },
  'a rate that does not fall': { training: { schedule: 'constant' } },
  '30 memory tokens': { memoryTokens: 30 },
};

/** RMT on quadratic equations, unchanged (`asItIs`) and with each change. */
export function quadraticAblationRows(asItIs: Row): Row[] {
  return rowsOf(asItIs, quadraticChanges);
}

/** One row per change. */
function rowsOf(asItIs: Row, changes: Changes): Row[] {
  return Object.entries(changes).map(([row, settings]) => ({
    ...asItIs,
    ...settings,
    model: { ...asItIs.model, ...settings.model },
    training: { ...asItIs.training, ...settings.training },
    row,
  }));
}

const byteChanges: Readonly<Record<string, Partial<TextRow>>> = {
  'RMT as it is': {},
  'no memory: the Transformer': { model: 'transformer', bpttDepth: 0 },
  'relative positions': { preset: { positions: 'relative' } },
  "the paper's relative positions": { preset: { positions: 'relative-wrapped' } },
  'absolute positions': { preset: { positions: 'absolute' } },
  'norm after each sub-layer': { preset: { norm: 'post', finalNorm: false } },
  'memory begins as one vector': { preset: { memInit: 'repeated' } },
  "the paper's write tokens": { preset: { writeTokens: 'carried' } },
  'embeddings times √d': { preset: { scaleEmbeddings: true } },
  'weights by their number of inputs': { preset: { init: 'wide' } },
  'learning rate 1e-3': { setting: { learningRate: 1e-3 } },
  'no warm-up': { setting: { warmUp: 1 } },
  'batches of 16': { setting: { batchSize: 16 } },
  '1.3 times the steps': { setting: { steps: 650 } }, // takes as long as the paper's positions do
  'gradients through one border only': { bpttDepth: 1 },
  'no gradients through memory': { bpttDepth: 0 },
};

/** RMT on bytes, unchanged (`asItIs`) and with each change. */
export function byteAblationRows(asItIs: Omit<TextRow, 'row'>): TextRow[] {
  return Object.entries(byteChanges).map(([row, change]) => ({ ...asItIs, ...change, row }));
}
