/**
 * Runs: configuration and parameters, saved and loaded through a storage of the caller's choice.
 *
 * @module memgrad/runs
 */
import '../default-backend.js';

export type { OwnBytes } from '../safetensors/bytes.js';
export {
  decodeSafetensors,
  type EncodeOptions,
  encodeSafetensors,
  type SafetensorsFile,
  type StoredDType,
  type StoredTensor,
  type UnreadableTensor,
} from '../safetensors/index.js';
export { packRun, unpackRun } from './archive.js';
export { OriginStorage } from './browser-storage.js';
export { buildModel, buildTask, buildTraining } from './build.js';
export { type Progress, resumeTraining, saveCheckpoint } from './checkpoint.js';
export {
  type Changeable,
  checkRunConfig,
  checkTaskConfig,
  limits,
  RUN_VERSION,
  type RunConfig,
  type TaskConfig,
  type TextTaskConfig,
  type TrainingConfig,
} from './config.js';
export {
  CARRIED_FILE,
  CONFIG_FILE,
  checkpointFile,
  METRICS_FILE,
  MODEL_FILE,
  OPTIMIZER_FILE,
  parseJson,
  parseState,
  readConfig,
  STATE_FILE,
  TEXT_FILE,
  TOKENIZER_FILE,
  type TrainerState,
  writeJson,
} from './files.js';
export { MemoryStorage } from './memory-storage.js';
export { type Metrics, readMetrics } from './metrics.js';
export { type LoadOptions, loadModel, loadRun, type Run, type RunModel } from './run.js';
export type { RunLock, RunStorage } from './storage.js';
export { type TextConfigOptions, textConfig, textDefaults } from './text-config.js';
export { type ResumeOptions, TrainingRun, type TrainingRunOptions } from './training-run.js';
export { MEMGRAD_VERSION } from './version.js';
