/** The settings of the presets of `train`. */
import { presets } from '../models/index.js';

/** The settings of a preset besides those of the model; every option overrides them. */
export const trainingPresets = {
  fast: {
    optimizer: 'adamw',
    learningRate: 2e-3,
    betas: [0.9, 0.98],
    schedule: 'constant',
    warmUp: 100,
    clip: 1,
  },
  paper: {
    optimizer: 'adam',
    learningRate: 1e-4,
    betas: [0.9, 0.999],
    schedule: 'plateau',
    warmUp: 0,
    clip: 0.25,
  },
} as const;

/** The table of presets for the help. */
export function presetTable(): string {
  const row = (option: string, ...cells: unknown[]) =>
    `  ${option.padEnd(20)}${cells.map((cell) => String(cell).padEnd(18)).join('')}`.trimEnd();
  const values = (option: string, of: (preset: keyof typeof presets) => unknown) =>
    row(option, of('fast'), of('paper'));
  return [
    'Presets:',
    row('', 'fast', 'paper'),
    values('--norm', (name) => presets[name].norm),
    values('--positions', (name) => presets[name].positions),
    values('--scale-embeddings', (name) => (presets[name].scaleEmbeddings ? 'yes' : 'no')),
    values('--memory-init', (name) => presets[name].memInit),
    values('--dropout', (name) => presets[name].dropout),
    values('--optimizer', (name) => trainingPresets[name].optimizer),
    values('--learning-rate', (name) => trainingPresets[name].learningRate),
    values('--betas', (name) => trainingPresets[name].betas),
    values('--schedule', (name) => trainingPresets[name].schedule),
    values('--warm-up', (name) => trainingPresets[name].warmUp),
    values('--clip', (name) => trainingPresets[name].clip),
  ].join('\n');
}
