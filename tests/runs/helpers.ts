/** Small runs, and a storage in memory. */
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import type { Backend } from '../../src/backends/index.js';
import { MemgradError } from '../../src/errors.js';
import { presets } from '../../src/models/index.js';
import {
  checkpointFile,
  decodeSafetensors,
  encodeSafetensors,
  MemoryStorage as InMemory,
  MEMGRAD_VERSION,
  METRICS_FILE,
  MODEL_FILE,
  OPTIMIZER_FILE,
  RUN_VERSION,
  type RunConfig,
  type StoredTensor,
  TrainingRun,
} from '../../src/runs/index.js';

/** A run that is quickly made. */
export function configOf(
  name: RunConfig['model']['name'] = 'rmt',
  training: Partial<RunConfig['training']> = {},
): RunConfig {
  return {
    version: RUN_VERSION,
    memgrad: MEMGRAD_VERSION,
    backend: 'wasm',
    seed: 5,
    model: {
      name,
      config: {
        nToken: 6,
        nLayer: 1,
        nHead: 2,
        dModel: 8,
        dHead: 4,
        dInner: 8,
        ...presets.fast,
        dtype: 'float32',
        memLen: 4,
        numMemTokens: 2,
      },
    },
    task: { name: 'copy', options: { length: 4, symbols: 4, copies: 2 } },
    training: {
      segmentLength: 4,
      steps: 2,
      batchSize: 2,
      optimizer: { name: 'adamw', learningRate: 0.01, betas: [0.9, 0.98], weightDecay: 0 },
      schedule: { name: 'cosine', warmUp: 1 },
      clip: 1,
      bpttDepth: null,
      curriculum: { start: 2, by: 1, at: 0.5 },
      stopAt: null,
      checkpointSegments: false,
      nonFinite: 'stop',
      saveEvery: 100,
      ...training,
    },
  };
}

/** A storage in memory whose files can be tampered with. */
export class MemoryStorage extends InMemory {
  /** Replaces the text of a file by what `change` makes of it. */
  changeText(name: string, change: (text: string) => string): void {
    const text = new TextDecoder().decode(this.files.get(name));
    this.files.set(name, new TextEncoder().encode(change(text)));
  }

  /** Replaces tensors of a file by what `change` makes of them. */
  changeTensors(
    name: string,
    change: (tensors: Map<string, StoredTensor>, metadata: Record<string, string>) => void,
  ): void {
    const { tensors, metadata } = decodeSafetensors(this.files.get(name) as Uint8Array);
    change(tensors, metadata);
    this.files.set(name, encodeSafetensors(tensors, metadata));
  }
}

/** A storage that dies at its n-th write, append or removal: before it, or with half of an append done. */
export class Mortal extends MemoryStorage {
  #left: number;

  constructor(files: MemoryStorage['files'], left: number) {
    super(files);
    this.#left = left;
  }

  override async write(name: string, bytes: Uint8Array): Promise<void> {
    this.#live();
    // A process may also die with the new file beside the old one.
    await super.write(`${name}.tmp`, bytes.subarray(0, bytes.length / 2));
    this.#live();
    this.files.delete(`${name}.tmp`);
    await super.write(name, bytes);
  }

  override async append(name: string, bytes: Uint8Array, start: number): Promise<void> {
    this.#live();
    await super.append(name, bytes.subarray(0, bytes.length / 2), start);
    this.#live();
    await super.append(name, bytes, start);
  }

  override async remove(name: string): Promise<void> {
    this.#live();
    await super.remove(name);
  }

  #live(): void {
    if (this.#left-- <= 0) throw new Killed();
  }
}

class Killed extends Error {}

/** Expects the error of a `Mortal`. */
export function isKilled(error: unknown): true {
  assert.instance(error, Killed, String(error));
  return true;
}

/** Trains `run`, all of it or `count` steps. */
export async function train(run: TrainingRun, count = Infinity): Promise<void> {
  const controller = new AbortController();
  let taken = 0;
  for await (const _ of run.train({ signal: controller.signal })) {
    if (++taken >= count) controller.abort();
  }
}

/** A run of `config`, trained and saved. */
export async function savedRun(config = configOf(), backend?: Backend): Promise<MemoryStorage> {
  const storage = new MemoryStorage();
  const run = await TrainingRun.start(config, { storage, backend });
  await train(run);
  run.dispose();
  return storage;
}

/** All of a run that must be the same to the bit, by file: hashes of tensors, and metrics without the speed. */
export function contents(storage: MemoryStorage, step: number): Record<string, string> {
  const hash = (file: string) =>
    createHash('sha256')
      .update(storage.files.get(checkpointFile(step, file)) as Uint8Array)
      .digest('hex');
  return {
    model: hash(MODEL_FILE),
    optimizer: hash(OPTIMIZER_FILE),
    metrics: withoutSpeed(storage.files.get(METRICS_FILE) as Uint8Array),
  };
}

/** The lines of metrics.jsonl without what depends on the machine. */
export function withoutSpeed(metrics: Uint8Array): string {
  return new TextDecoder().decode(metrics).replaceAll(/"tokensPerSecond":[^,]*,/g, '');
}

/** Runs `use` with an empty folder that is deleted afterwards. */
export async function inFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'memgrad-test-'));
  try {
    await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The message of the MemgradError that `action` must end with: one sentence, not too long. */
export async function failure(action: Promise<unknown>): Promise<string> {
  const error = await action.then(
    () => assert.unreachable('no error'),
    (error: unknown) => error,
  );
  assert.instance(error, MemgradError, String(error));
  const { message } = error as MemgradError;
  assert.not.match(message, '\n');
  assert.ok(message.length < 700, message);
  return message;
}
