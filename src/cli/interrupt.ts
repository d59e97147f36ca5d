/** What ends a command early: a signal, or an output that nobody takes any more. The step that is being taken is finished, and what there is is saved. */
import { constants } from 'node:os';
import { Worker } from 'node:worker_threads';
import { explain } from '../runs/node/explained.js';

type Signal = 'SIGINT' | 'SIGTERM' | 'SIGHUP';

/** Thrown where a command leaves off because of a signal. */
export class Interrupted extends Error {
  /** As a shell reports a process that died of the signal: 130, 143 and 129. */
  readonly exitCode: number;

  constructor(signal: Signal) {
    super(`stopped by ${signal}`);
    this.exitCode = 128 + constants.signals[signal];
  }
}

/** Thrown where a command leaves off because the reader of its output has seen enough (`| head`), which is no error. */
export class Unread extends Error {}

/** The same signal within so many ms is an echo: npm and npx pass on a Ctrl-C that the terminal has sent already. */
const ECHO = 100;

/** How many ms after Ctrl-C a main thread that only computes is spoken for. */
const PATIENCE = 2000;

/** Signals within `ECHO` that the Worker outlives. */
const DEPTH = 8;

/**
 * Receives SIGINT beside the main thread, which sees nothing while a step computes. A Worker cannot
 * use `process.on`, but a signal may break a script of `node:vm` in it. The scripts are nested, and
 * a signal breaks the innermost: the next one out is there already for an echo. Once all have ended,
 * SIGINT has its default action again, so a second one ends the process at once, within a step too.
 */
const program = `
const { runInThisContext } = require('node:vm');
const { parentPort, workerData: { echo, depth, asked, patience } } = require('node:worker_threads');
const sleeper = new Int32Array(new SharedArrayBuffer(4));
let end = Infinity;
globalThis.listen = (level) => {
  if (level === 0) {
    parentPort.postMessage('ready');
    Atomics.wait(sleeper, 0, 0);
  }
  try {
    runInThisContext('listen(' + (level - 1) + ')', { breakOnSigint: true });
  } catch (error) {
    if (error.code !== 'ERR_SCRIPT_EXECUTION_INTERRUPTED') throw error;
    if (end === Infinity) {
      end = performance.now() + echo;
      Atomics.store(asked, 0, 1);
      parentPort.postMessage('SIGINT');
    }
  }
  Atomics.wait(sleeper, 0, 0, Math.max(0, end - performance.now()));
};
globalThis.listen(depth);
if (Atomics.wait(asked, 0, 1, patience) === 'timed-out') {
  if (asked[1] === 1) process.kill(process.pid, 'SIGINT');
  require('node:fs').writeSync(2, 'memgrad: stopping when this part of the step is done; Ctrl-C again ends at once.\\n');
}
`;

/** Listens for one process. */
export class Interrupt {
  readonly #controller = new AbortController();
  /** Two flags: the Worker has heard SIGINT and the main thread has not yet; nothing would be lost if the process ended. */
  readonly #asked = new Int32Array(new SharedArrayBuffer(8));
  #reason: Error | undefined;

  /** Listens to signals from now on; resolves when they are heard. */
  listen(): Promise<void> {
    this.#listenHere('SIGTERM');
    this.#listenHere('SIGHUP');
    return new Promise((resolve) => {
      const workerData = { echo: ECHO, depth: DEPTH, asked: this.#asked, patience: PATIENCE };
      const worker = new Worker(program, { eval: true, workerData });
      worker.on('message', (message: 'ready' | 'SIGINT') => {
        if (message === 'ready') {
          worker.unref(); // earlier it has no effect
          resolve();
        } else this.stop(new Interrupted(message));
      });
      worker.on('error', () => {
        this.#listenHere('SIGINT');
        resolve();
      });
    });
  }

  /** Listens on the main thread. SIGHUP stays caught: a terminal that closes may send it twice. */
  #listenHere(name: Signal): void {
    process.on(name, () => {
      this.stop(new Interrupted(name));
      if (name !== 'SIGHUP') setTimeout(() => process.removeAllListeners(name), ECHO);
    });
  }

  /** Ends what checks, and what has `signal`; the first reason counts. */
  stop(reason: Error): void {
    this.#reason ??= reason;
    Atomics.store(this.#asked, 0, 0);
    Atomics.notify(this.#asked, 0);
    this.#controller.abort(this.#reason);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Whether all is saved that was learnt: then Ctrl-C ends the process even if the main thread does not answer. */
  set nothingToLose(nothing: boolean) {
    Atomics.store(this.#asked, 1, nothing ? 1 : 0);
  }

  /** Throws why the command is to end, if it is, where nothing can be waited for: SIGINT is heard there too. */
  checkNow(): void {
    if (Atomics.load(this.#asked, 0) === 1) this.stop(new Interrupted('SIGINT'));
    if (this.#reason) throw this.#reason;
  }

  /** Throws why the command is to end, if it is, after giving signals their turn to come in. */
  async check(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve));
    if (this.#reason) throw this.#reason;
  }
}

/** The one of this process: it hears of its output from the start, of signals once it listens. */
export const interrupt = new Interrupt();
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  const lost = explain('write to standard output', error) ?? error;
  interrupt.stop(error.code === 'EPIPE' ? new Unread() : lost);
});
process.stderr.on('error', () => {}); // nobody is left to be told
