/** Cells of experiments on the algorithmic tasks. */
import { presets } from '../../models/index.js';
import {
  checkRunConfig,
  MEMGRAD_VERSION,
  RUN_VERSION,
  type RunConfig,
  type TaskConfig,
} from '../../runs/index.js';
import { createTask } from '../../tasks/index.js';
import { trainingPresets } from '../presets.js';
import type { Cell, Contender } from './experiment.js';
import { type ModelSizes, ownSizes, type Scale, SEEDS } from './scales.js';

/** A task cut into segments, and what the paper's models reached. */
export interface Row {
  readonly row: string;
  readonly task: TaskConfig;
  /** Also how many rows Transformer-XL keeps. */
  readonly segmentLength: number;
  /** Default: as many as a segment has tokens. */
  readonly memoryTokens?: number;
  /** At our own scales, at most: `stopAt`, by default `STOP_AT`, ends training. */
  readonly steps: number;
  /** At our own scales. */
  readonly curriculum?: NonNullable<RunConfig['training']['curriculum']>;
  readonly paper: Partial<Record<TaskModel, number>>;
  /** Whose runs the row shows. Default: those of the models that the experiment compares. */
  readonly models?: readonly TaskModel[];
  readonly further?: Cell['further'];
  /** Whose sizes the model has at our own scales. Default: those of the scale. */
  readonly sizes?: keyof typeof ownSizes;
  /** Settings of the model other than the preset's, at our own scales. */
  readonly model?: Partial<RunConfig['model']['config']>;
  /** Settings of the training other than the preset's, at our own scales. */
  readonly training?: Partial<
    Pick<RunConfig['training'], 'batchSize' | 'bpttDepth' | 'stopAt'> & {
      learningRate: number;
      schedule: RunConfig['training']['schedule']['name'];
      warmUp: number;
    }
  >;
}

/** How the paper trains. */
export interface PaperTraining {
  readonly sizes: ModelSizes;
  readonly steps: number;
  readonly batchSize: number;
}

export type TaskModel = Exclude<Contender, 'encoder-rmt'>;

const BATCH = 32;
/** Share of answer tokens that is enough. */
const STOP_AT = 0.999;
const SAVE_EVERY = 250;

/** A cell for each of `models`, or of its own, in each of `rows`; an experiment without the paper's scale needs no `paper`. */
export function taskCells(
  rows: readonly Row[],
  models: readonly TaskModel[],
  scale: Scale,
  paper?: PaperTraining,
): Cell[] {
  return rows.flatMap((row) =>
    (row.models ?? models).map((model) => ({
      row: row.row,
      model,
      paper: row.paper[model],
      seeds: model === 'rmt' || scale === 'paper' ? SEEDS : [0],
      further: row.further,
      config: (seed: number) => configOf(row, model, scale, paper, seed),
    })),
  );
}

function configOf(
  row: Row,
  model: TaskModel,
  scale: Scale,
  paper: PaperTraining | undefined,
  seed: number,
): RunConfig {
  const { task, segmentLength, memoryTokens = segmentLength } = row;
  const own = scale !== 'paper';
  const { sizes, steps, batchSize } = own
    ? { sizes: ownSizes[row.sizes ?? scale], steps: row.steps, batchSize: BATCH }
    : (paper as PaperTraining);
  const { layers, heads, dModel, dHead, dInner } = sizes;
  const { optimizer, learningRate, betas, schedule, warmUp, clip, ...training } = {
    ...trainingPresets[own ? 'fast' : 'paper'],
    batchSize,
    bpttDepth: null,
    stopAt: own ? STOP_AT : null,
    ...(own && row.training),
  };
  const config = {
    version: RUN_VERSION,
    memgrad: MEMGRAD_VERSION,
    backend: 'wasm',
    seed,
    model: {
      name: model,
      config: {
        ...presets[own ? 'fast' : 'paper'],
        nToken: createTask(task.name, task.options).vocabulary,
        nLayer: layers,
        nHead: heads,
        dModel,
        dHead,
        dInner,
        dtype: 'float32',
        memLen: segmentLength,
        numMemTokens: memoryTokens,
        ...(own && row.model),
      },
    },
    task,
    training: {
      segmentLength,
      steps,
      ...training,
      optimizer: { name: optimizer, learningRate, betas, weightDecay: 0 },
      schedule: { name: schedule, warmUp },
      clip,
      curriculum: own ? (row.curriculum ?? null) : null,
      checkpointSegments: false,
      nonFinite: 'stop',
      saveEvery: SAVE_EVERY,
    },
  };
  return checkRunConfig(config, 'reproduce');
}
