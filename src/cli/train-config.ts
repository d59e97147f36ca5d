/** Makes the configuration of a run from the options of `memgrad train`. */
import { MemgradError } from '../errors.js';
import { presets } from '../models/index.js';
import { checkTaskConfig, MEMGRAD_VERSION, RUN_VERSION, type RunConfig } from '../runs/index.js';
import { createTask, type TaskName } from '../tasks/index.js';
import { DEMO } from './demo.js';
import { trainingPresets } from './presets.js';
import type { TrainCommandOptions } from './train-options.js';

/** The configuration of the run on a task that `options` describe. The caller checks it. */
export function configOf(options: TrainCommandOptions): unknown {
  const task = checkTaskConfig(taskOf(options), 'the options: task');
  return modelTraining(options, task, createTask(task.name, task.options).vocabulary);
}

/** The configuration of a run on `task`, which has `nToken` tokens. The caller checks it. */
export function modelTraining(
  options: TrainCommandOptions,
  task: RunConfig['task'],
  nToken: number,
): unknown {
  const { preset, model } = options;
  const basis = presets[preset];
  const training = trainingPresets[preset];
  const norm = options.norm ?? basis.norm;
  return {
    version: RUN_VERSION,
    memgrad: MEMGRAD_VERSION,
    backend: options.backend,
    seed: options.seed ?? 0,
    model: {
      name: model,
      config: {
        nToken,
        nLayer: options.layers,
        nHead: options.heads,
        dModel: options.dModel,
        dHead: options.dHead,
        dInner: options.dInner,
        ...basis,
        norm,
        finalNorm: norm === 'pre', // a pre-LN stack ends in a sum that is not normalised
        positions: options.positions ?? basis.positions,
        scaleEmbeddings: options.scaleEmbeddings ?? basis.scaleEmbeddings,
        dropout: options.dropout ?? basis.dropout,
        memInit: options.memoryInit ?? basis.memInit,
        init: options.init,
        writeTokens: options.writeTokens,
        dtype: 'float32',
        memLen: options.cache,
        numMemTokens: options.memoryTokens,
      },
    },
    task,
    training: {
      segmentLength: options.segmentLength,
      steps: options.steps,
      batchSize: options.batchSize,
      optimizer: {
        name: options.optimizer ?? training.optimizer,
        learningRate: options.learningRate ?? training.learningRate,
        betas: options.betas ?? training.betas,
        weightDecay: options.weightDecay,
      },
      schedule: {
        name: options.schedule ?? training.schedule,
        warmUp: options.warmUp ?? training.warmUp,
      },
      clip: orNull(options.clip ?? training.clip),
      bpttDepth: orNull(options.bpttDepth),
      curriculum: curriculumOf(options),
      stopAt: options.stopAt ?? null,
      checkpointSegments: options.checkpointSegments ?? false,
      nonFinite: options.nonFinite,
      saveEvery: options.saveEvery,
    },
  };
}

const remembers = ['rmt', 'mem-transformer', 'transformer-xl-rmt'];

/** The models or optimisers that read an option; the others accept it, as one script may try all. */
const readers: Partial<Record<keyof TrainCommandOptions, readonly string[]>> = {
  memoryTokens: remembers,
  memoryInit: remembers,
  writeTokens: ['rmt', 'transformer-xl-rmt'],
  cache: ['transformer-xl', 'transformer-xl-rmt'],
  betas: ['adam', 'adamw'],
};

/** A sentence on each option that is `given` to a model or an optimiser that does not read it. */
export function unread(config: RunConfig, given: (name: string) => boolean): string[] {
  const chosen = [config.model.name, config.training.optimizer.name];
  return Object.entries(readers)
    .filter(([name, some]) => given(name) && !chosen.some((one) => some.includes(one)))
    .map(([name, some]) => {
      const flag = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
      return `--${flag} has no effect here; it is for ${some.join(', ')}.`;
    });
}

function curriculumOf({ curriculum, cuts }: TrainCommandOptions) {
  if (curriculum) return { ...curriculum, cuts };
  if (!cuts) return null;
  throw new MemgradError(
    `--cuts ${cuts} needs a curriculum, but there is none; give --curriculum START:BY too, which may start at full length.`,
  );
}

/** The options of each task, with their defaults. */
const taskDefaults = {
  copy: DEMO.task,
  reverse: { length: DEMO.task.length, symbols: DEMO.task.symbols },
  retrieval: { pairs: 4 },
  quadratic: { range: 100 },
  memorize: { length: 64, kept: 8, symbols: DEMO.task.symbols },
} satisfies Record<TaskName, object>;

function taskOf({
  task,
  length,
  symbols,
  copies,
  pairs,
  queries,
  range,
  kept,
}: TrainCommandOptions): unknown {
  const given = Object.entries({ length, symbols, copies, pairs, queries, range, kept });
  const options = given.filter(([, value]) => value !== undefined);
  return { name: task, options: { ...taskDefaults[task], ...Object.fromEntries(options) } };
}

/** Returns null for no limit, since JSON has no Infinity. */
function orNull(limit: number): number | null {
  return limit === Infinity ? null : limit;
}
