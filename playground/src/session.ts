/** The page's side of the Worker: requests with answers, and the progress of training. */
import type { RunConfig } from 'memgrad/runs';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { configsOf } from './configs.js';
import type {
  Answer,
  Available,
  FromWorker,
  Opened,
  Point,
  Progress,
  Question,
  RequestName,
  ToWorker,
} from './messages.js';
import type { State } from './state.js';

/** The requests behind buttons. */
const actions: ReadonlySet<RequestName> = new Set(['play', 'step', 'save', 'load', 'bench']);

/** Sends a request to the Worker; rejects with its error message. */
export type Ask = <Name extends RequestName>(
  name: Name,
  ...question: Question<Name> extends undefined ? [] : [Question<Name>]
) => Promise<Answer<Name>>;

/** A model in training. */
export interface Trained extends Opened {
  /** All steps so far; grows in place. */
  readonly points: Point[];
}

/** A downloaded file, and the steps of its run. */
export interface SavedFile {
  readonly name: string;
  readonly step: number;
}

/** The state and actions that panels share: the models in the Worker, and operations on them. */
export interface Session {
  readonly ask: Ask;
  readonly backends: readonly Available[];
  readonly models: readonly Trained[];
  readonly playing: boolean;
  /** The latest error message. */
  readonly error: string;
  /** Increases with every change of the models. */
  readonly version: number;
  /** The name of the file that the models were loaded from; '' if the controls define them. */
  readonly file: string;
  /** The most recently saved run. */
  readonly saved: SavedFile | undefined;
  reset(): void;
  load(files: Uint8Array | ReadonlyMap<string, Uint8Array>, name: string): void;
  /** Records a saved run. */
  keep(saved: SavedFile): void;
  /** Shows an error. */
  fail(error: unknown): void;
}

type View = Pick<
  Session,
  'backends' | 'models' | 'playing' | 'error' | 'version' | 'file' | 'saved'
>;

/**
 * Connects to the Worker and opens the models that `state` describes, again whenever they change.
 */
export function useSession(state: State): Session {
  const [view, setView] = useState<View>({
    backends: [{ name: 'wasm', adapter: 'the processor', software: false }],
    models: [],
    playing: false,
    error: '',
    version: 0,
    file: '',
    saved: undefined,
  });
  const change = (next: Partial<View>) =>
    setView((view) => ({ ...view, ...next, version: view.version + 1 }));
  const fail = (error: unknown) =>
    setView((view) => ({ ...view, error: error instanceof Error ? error.message : `${error}` }));

  const worker = useRef<Ask | undefined>(undefined);
  worker.current ??= connect({
    progress: (progress) => setView((view) => advanced(view, progress)),
    fail,
  });
  const connected = worker.current;
  const ask: Ask = (name, ...question) => {
    // An action clears the previous error.
    if (actions.has(name)) setView((view) => (view.error ? { ...view, error: '' } : view));
    return connected(name, ...question);
  };
  const show = (opened: readonly Opened[], file: string) => {
    const models = opened.map((one) => ({ ...one, points: [...one.history] }));
    change({ models, file, error: '' });
  };
  const open = (configs: RunConfig[]) => {
    const opening = ask('open', { configs });
    opening.then(
      (opened) => show(opened, ''),
      (error) => {
        change({ models: [] }); // the previous models don't match the controls
        fail(error);
      },
    );
  };

  const wanted = useMemo(() => JSON.stringify(configsOf(state)), [state]);
  useEffect(() => open(JSON.parse(wanted)), [wanted]);
  useEffect(() => {
    ask('backends').then((backends) => change({ backends }), fail);
  }, []);

  return {
    ...view,
    ask,
    fail,
    keep: (saved) => setView((view) => ({ ...view, saved })),
    reset: () => open(JSON.parse(wanted)),
    load: (files, name) => {
      const loading = ask('load', { files, backend: state.backend });
      loading.then(
        (opened) => show(opened, name),
        ({ message }: Error) => fail(`${name} was not opened. ${message}`),
      );
    },
  };
}

function advanced(view: View, { playing, steps }: Progress): View {
  if (steps.length !== view.models.length) return { ...view, playing };
  for (const [i, { points }] of view.models.entries()) points.push(...steps[i]);
  return { ...view, playing, version: view.version + 1 };
}

function connect(on: {
  progress: (progress: Progress) => void;
  fail: (error: unknown) => void;
}): Ask {
  const worker = new Worker('worker.js', { type: 'module' });
  const waiting = new Map<number, Waiting>();
  let asked = 0;
  worker.onmessage = ({ data }: MessageEvent<FromWorker>) => {
    if ('progress' in data) return on.progress(data.progress);
    if (!('id' in data)) return on.fail(data.error);
    const answer = waiting.get(data.id);
    waiting.delete(data.id);
    if ('error' in data) answer?.reject(new Error(data.error));
    else answer?.resolve(data.answer);
  };
  worker.onerror = ({ message }) =>
    on.fail(
      message
        ? `The Worker stopped: ${message}. Load the page again.`
        : 'The script of the Worker, worker.js, did not load, so nothing can be trained. Load the page again.',
    );
  return ((name, question) => {
    const id = asked++;
    worker.postMessage({ id, name, question } satisfies ToWorker);
    return new Promise((resolve, reject) => waiting.set(id, { resolve, reject }));
  }) as Ask;
}

/** The callbacks of a pending request. */
interface Waiting {
  resolve(answer: unknown): void;
  reject(error: Error): void;
}

/** The minimum time between an answer and the next request of the same kind, in ms. */
const PAUSE = 500;

/**
 * Returns the latest answer to a request, which is repeated whenever `about` or the models change:
 * one at a time, with a pause in between.
 */
export function useLatest<T>(
  { models, version, fail }: Session,
  ask: () => Promise<T>,
  about: string,
): T | undefined {
  const [latest, setLatest] = useState<T>();
  const current = useRef({ ask, key: '', asking: false });
  current.current.ask = ask;
  const key = `${version} ${about}`;
  useEffect(() => {
    const now = current.current;
    now.key = key;
    if (now.asking || models.length === 0) return;
    now.asking = true;
    const follow = async () => {
      for (let asked = ''; asked !== now.key; ) {
        asked = now.key;
        await now.ask().then(setLatest, fail);
        await new Promise((resolve) => setTimeout(resolve, PAUSE));
      }
      now.asking = false;
    };
    follow();
  }, [key]);
  return latest;
}
