/** Cells of experiments on the algorithmic tasks. */
import { trainingPresets } from 'memgrad/cli';
import { presets } from 'memgrad/models';
import {
  checkRunConfig,
  MEMGRAD_VERSION,
  RUN_VERSION,
  type RunConfig,
  type TaskConfig,
} from 'memgrad/runs';
import { createTask } from 'memgrad/tasks';
import type { Cell, Contender } from './experiment.js';
import { type ModelSizes, ownSizes, type Scale, SEEDS } from './scales.js';

/** A task with a segmentation, and the paper's scores. */
export interface Row {
  readonly row: string;
  readonly task: TaskConfig;
  /** Also the number of rows that Transformer-XL keeps. */
  readonly segmentLength: number;
  /** Default: the number of tokens per segment. */
  readonly memoryTokens?: number;
  /**
   * The maximum of steps at our own scales: training ends earlier at `stopAt`, by default
   * `STOP_AT`.
   */
  readonly steps: number;
  /** Used at our own scales only. */
  readonly curriculum?: NonNullable<RunConfig['training']['curriculum']>;
  readonly paper: Partial<Record<TaskModel, number>>;
  /** The models of the row. Default: the models that the experiment compares. */
  readonly models?: readonly TaskModel[];
  readonly further?: Cell['further'];
  /** The scale of the model's sizes, at our own scales. Default: the scale of the experiment. */
  readonly sizes?: keyof typeof ownSizes;
  /** Settings of the model that differ from the preset, at our own scales. */
  readonly model?: Partial<RunConfig['model']['config']>;
  /** Settings of the training that differ from the preset, at our own scales. */
  readonly training?: Partial<
    Pick<RunConfig['training'], 'batchSize' | 'bpttDepth' | 'stopAt'> & {
      learningRate: number;
      schedule: RunConfig['training']['schedule']['name'];
      warmUp: number;
    }
  >;
}

/** The paper's training settings. */
export interface PaperTraining {
  readonly sizes: ModelSizes;
  readonly steps: number;
  readonly batchSize: number;
}

export type TaskModel = Exclude<Contender, 'encoder-rmt'>;

const BATCH = 32;
/** The share of right answer tokens at which training ends. */
const STOP_AT = 0.999;
const SAVE_EVERY = 250;

/**
 * A cell for each row and each of its models, by default `models`. An experiment without the
 * paper's scale needs no `paper`.
 */
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
