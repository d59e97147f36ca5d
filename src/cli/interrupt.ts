/**
 * Ends a command early: on a signal, or when nothing reads its output. The current step is finished
 * and saved first.
 */
import { constants } from 'node:os';
import { Worker } from 'node:worker_threads';
import { explain } from '../runs/node/explained.js';

type Signal = 'SIGINT' | 'SIGTERM' | 'SIGHUP';

/** Thrown where a command stops because of a signal. */
export class Interrupted extends Error {
  /** The code that a shell reports for a process killed by the signal: 130, 143 and 129. */
  readonly exitCode: number;

  constructor(signal: Signal) {
    super(`stopped by ${signal}`);
    this.exitCode = 128 + constants.signals[signal];
  }
}

/**
 * Thrown where a command stops because the reader of its output has closed it (`| head`), which is
 * no error.
 */
export class Unread extends Error {}

/**
 * The same signal within this many ms is an echo: npm and npx forward a Ctrl-C that the terminal
 * has already sent.
 */
const ECHO = 100;

/**
 * After this many ms without an answer of the main thread to Ctrl-C, the Worker ends the process if
 * nothing would be lost, else it prints a message.
 */
const PATIENCE = 2000;

/** The number of signals within `ECHO` that the Worker survives. */
const DEPTH = 8;

/**
 * Receives SIGINT in a Worker, since the main thread receives nothing while a step computes. A
 * Worker cannot use `process.on`, but a signal can break a `node:vm` script in it. The scripts are
 * nested, and a signal breaks the innermost; the next one out is then ready for an echo. Once all
 * have ended, SIGINT has its default action again, so a second one ends the process at once, even
 * within a step.
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

/** The interrupt of one process. */
export class Interrupt {
  readonly #controller = new AbortController();
  /**
   * Two flags: the Worker has received SIGINT but the main thread has not; and no progress would be
   * lost if the process ended.
   */
  readonly #asked = new Int32Array(new SharedArrayBuffer(8));
  #reason: Error | undefined;

  /** Starts listening for signals; resolves when a signal would be received. */
  listen(): Promise<void> {
    this.#listenHere('SIGTERM');
    this.#listenHere('SIGHUP');
    return new Promise((resolve) => {
      const workerData = { echo: ECHO, depth: DEPTH, asked: this.#asked, patience: PATIENCE };
      const worker = new Worker(program, { eval: true, workerData });
      worker.on('message', (message: 'ready' | 'SIGINT') => {
        if (message === 'ready') {
          worker.unref(); // has no effect before this message
          resolve();
        } else this.stop(new Interrupted(message));
      });
      worker.on('error', () => {
        this.#listenHere('SIGINT');
        resolve();
      });
    });
  }

  /**
   * Listens on the main thread. SIGHUP stays caught, since a closing terminal may send it twice.
   */
  #listenHere(name: Signal): void {
    process.on(name, () => {
      this.stop(new Interrupted(name));
      if (name !== 'SIGHUP') setTimeout(() => process.removeAllListeners(name), ECHO);
    });
  }

  /** Makes `check` throw, and aborts `signal`. The first reason is kept. */
  stop(reason: Error): void {
    this.#reason ??= reason;
    Atomics.store(this.#asked, 0, 0);
    Atomics.notify(this.#asked, 0);
    this.#controller.abort(this.#reason);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /**
   * Whether all progress is saved. If so, Ctrl-C ends the process even when the main thread does
   * not answer.
   */
  set nothingToLose(nothing: boolean) {
    Atomics.store(this.#asked, 1, nothing ? 1 : 0);
  }

  /**
   * Throws the reason if the command must stop. For synchronous code: reads the flag of SIGINT,
   * too.
   */
  checkNow(): void {
    if (Atomics.load(this.#asked, 0) === 1) this.stop(new Interrupted('SIGINT'));
    if (this.#reason) throw this.#reason;
  }

  /** Throws the reason if the command must stop, after letting pending signals arrive. */
  async check(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve));
    if (this.#reason) throw this.#reason;
  }
}

/**
 * The interrupt of this process. It handles errors of the output from the start, and signals once
 * it listens.
 */
export const interrupt = new Interrupt();
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  const lost = explain('write to standard output', error) ?? error;
  interrupt.stop(error.code === 'EPIPE' ? new Unread() : lost);
});
process.stderr.on('error', () => {}); // there is nowhere to report this
