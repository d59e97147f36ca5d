/**
 * Runs: configuration and parameters, saved and loaded through a storage of the caller's choice.
 *
 * @module memgrad/runs
 */
export { buildModel, buildTask, buildTraining } from './build.js';
export {
  checkRunConfig,
  checkTaskConfig,
  limits,
  RUN_VERSION,
  type RunConfig,
  type TaskConfig,
  type TrainingConfig,
} from './config.js';
export { CONFIG_FILE, loadRun, MODEL_FILE, type Run, saveRun } from './run.js';
export * from './safetensors.js';
export type { RunStorage } from './storage.js';
