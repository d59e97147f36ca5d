/** How large an experiment is run: on two slow cores in minutes, in an hour, or as in the paper. */
import { presets } from '../../models/index.js';
import { checkRunConfig, RUN_VERSION, type RunConfig } from '../../runs/index.js';
import { createTask } from '../../tasks/index.js';
import { trainingPresets } from '../presets.js';
import type { Cell } from './experiments.js';

export const scales = ['small', 'medium', 'paper'] as const;
export type Scale = (typeof scales)[number];

/** The sizes of a model. */
export interface ModelSizes {
  readonly layers: number;
  readonly heads: number;
  readonly dModel: number;
  readonly dHead: number;
  readonly dInner: number;
}

/** How long a model is trained. */
export interface TrainingBudget {
  readonly steps: number;
  readonly batchSize: number;
}

/** The sizes of our own scales. */
const SIZES = {
  small: { layers: 2, heads: 4, dModel: 64, dHead: 16, dInner: 128 },
  medium: { layers: 4, heads: 4, dModel: 128, dHead: 32, dInner: 256 },
} satisfies Record<string, ModelSizes>;

/** Ten steps in a row without an error end training at our own scales. */
const SOLVED = 1;

/** RMT, which the paper is about, over three seeds; the others over one, at the paper's scale over three as well. */
export function seedsOf({ model }: Cell, scale: Scale): readonly number[] {
  return model === 'rmt' || scale === 'paper' ? [0, 1, 2] : [0];
}

/** The configuration of the run of a cell. */
export function configOf(cell: Cell, scale: Scale, seed: number): RunConfig {
  const paper = scale === 'paper';
  const { layers, heads, dModel, dHead, dInner } = paper ? cell.paperSizes : SIZES[scale];
  const { optimizer, learningRate, betas, schedule, warmUp, clip } = paper
    ? trainingPresets.paper
    : { ...trainingPresets.fast, learningRate: 1e-3, schedule: 'constant', warmUp: 100 };
  const config = {
    version: RUN_VERSION,
    seed,
    model: {
      name: cell.model,
      config: {
        ...presets[paper ? 'paper' : 'fast'],
        nToken: createTask(cell.task.name, cell.task.options).vocabulary,
        nLayer: layers,
        nHead: heads,
        dModel,
        dHead,
        dInner,
        dtype: 'float32',
        memLen: cell.cache,
        numMemTokens: cell.memoryTokens,
      },
    },
    task: cell.task,
    training: {
      segmentLength: cell.segmentLength,
      steps: paper ? cell.paperTraining.steps : cell.steps,
      batchSize: paper ? cell.paperTraining.batchSize : 32,
      optimizer: { name: optimizer, learningRate, betas, weightDecay: 0 },
      schedule: { name: schedule, warmUp },
      clip,
      bpttDepth: null,
      curriculum: paper ? null : (cell.curriculum ?? null),
      stopAt: paper ? null : SOLVED,
    },
  };
  return checkRunConfig(config, 'reproduce');
}
