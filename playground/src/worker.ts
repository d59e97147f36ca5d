/** The Worker: trains and computes, which keeps the page responsive. */
import { type Backend, type BackendName, loadBackend } from 'memgrad';
import { MemoryStorage, unpackRun } from 'memgrad/runs';
import { availableBackends } from './available.js';
import type { Answer, FromWorker, Point, Question, RequestName, ToWorker } from './messages.js';
import { timeSteps } from './step-bench.js';
import { Trainer } from './trainer.js';

/** The DOM types lack a worker's own scope; Worker has the members that both sides share. */
const scope = self as unknown as Worker;
/** The time between progress messages to the page, in ms. */
const PROGRESS = 100;

let trainers: Trainer[] = [];
let playing = false;
let unsent: Point[][] = [];
let sent = 0;

const handlers: { [Name in RequestName]: (question: Question<Name>) => Promise<Answer<Name>> } = {
  backends: async () => availableBackends(),
  open: async ({ configs }) => {
    const backend = await load(configs[0].backend);
    const made = await Promise.all(configs.map((config) => Trainer.start(config, backend)));
    return replace(made);
  },
  load: async ({ files, backend: name }) => {
    const backend = await load(name);
    const storage = new MemoryStorage(files instanceof Uint8Array ? [] : files);
    if (files instanceof Uint8Array) await unpackRun(storage, files);
    return replace([await Trainer.resume(storage, backend)]);
  },
  play: async () => {
    if (playing) return;
    playing = true;
    inTurn(round);
  },
  pause: async () => {
    playing = false;
    send();
  },
  step: async () => {
    await stepAll();
    send();
  },
  sample: ({ index }) => Promise.all(trainers.map((trainer) => trainer.sample(index))),
  look: ({ model, index, erased }) => trainerAt(model).look(index, erased),
  save: ({ model }) => trainerAt(model).save(),
  bench: async ({ backend, steps }) => timeSteps(await load(backend), steps),
};

/** The page may request a model before it knows that there is one fewer. */
function trainerAt(model: number): Trainer {
  return trainers[Math.min(model, trainers.length - 1)];
}

/** Steps and answers run one at a time: a request is answered between two steps. */
let last: Promise<unknown> = Promise.resolve();
function inTurn<T>(f: () => Promise<T>): Promise<T> {
  const result = last.then(f);
  last = result.catch(() => {});
  return result;
}

scope.onmessage = async ({ data: { id, name, question } }: MessageEvent<ToWorker>) => {
  try {
    const handler = handlers[name] as (question: unknown) => Promise<unknown>;
    post({ id, answer: await inTurn(() => handler(question)) });
  } catch (error) {
    post({ id, error: messageOf(error) });
  }
};

/** Takes one step of each model, then queues the next round. */
async function round(): Promise<void> {
  if (!playing) return;
  const learnt = trainers.filter((trainer) => trainer.learnt).length;
  try {
    await stepAll();
    // Pauses when one has learnt, since the other may never; Start continues.
    if (trainers.filter((trainer) => trainer.learnt).length > learnt) playing = false;
  } catch (error) {
    playing = false;
    post({ error: messageOf(error) });
  }
  if (!playing || performance.now() - sent > PROGRESS) send();
  if (playing) inTurn(round);
}

async function stepAll(): Promise<void> {
  for (const [i, trainer] of trainers.entries()) {
    unsent[i].push(await trainer.step());
  }
}

function send(): void {
  post({ progress: { playing, steps: unsent } });
  unsent = trainers.map(() => []);
  sent = performance.now();
}

async function replace(made: Trainer[]) {
  playing = false;
  const before = trainers;
  trainers = made;
  unsent = trainers.map(() => []);
  send();
  for (const trainer of before) await trainer.dispose();
  return made.map(({ opened }) => opened);
}

const loaded = new Map<BackendName, Backend>();

async function load(name: BackendName): Promise<Backend> {
  const gpu = name === 'webgl' ? await import('gpu.js') : undefined;
  const backend = loaded.get(name) ?? (await loadBackend(name, { gpu }));
  loaded.set(name, backend);
  return backend;
}

function post(message: FromWorker): void {
  scope.postMessage(message);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
