/** Creates the parts of a training that its configuration describes. */
import type { Task } from '../tasks/index.js';
import {
  Curriculum,
  constant,
  cosine,
  createOptimizer,
  type Optimizer,
  onPlateau,
  optimizerHas,
  type Schedule,
  warmUp,
} from '../training/index.js';
import type { TrainingConfig } from './schema.js';

const schedules = { constant, cosine, plateau: () => onPlateau() };

/** The names of schedules. */
export const scheduleNames = Object.keys(schedules) as (keyof typeof schedules)[];

/** The parts of a training besides its model and its task. */
export interface TrainingParts {
  readonly optimizer: Optimizer;
  readonly schedule: Schedule;
  readonly curriculum: Curriculum | undefined;
}

/**
 * Creates the parts of a training; only a curriculum needs the task. Throws `MemgradError` for
 * options that don't go together.
 */
export function buildParts(training: TrainingConfig, task?: Task): TrainingParts {
  const { steps, schedule, curriculum } = training;
  const { name, ...options } = training.optimizer;
  const own = Object.entries(options).filter(([option]) => optimizerHas(name, option));
  const after = (schedules[schedule.name] as (steps: number) => Schedule)(steps);
  return {
    optimizer: createOptimizer(name, Object.fromEntries(own)),
    schedule: schedule.warmUp === 0 ? after : warmUp(schedule.warmUp, after),
    curriculum: task && curriculum ? new Curriculum(task, curriculum) : undefined,
  };
}
