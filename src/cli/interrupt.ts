/** What ends a command early: a signal, or an output that nobody takes any more. The step that is being taken is finished, and what there is is saved. */
import { constants } from 'node:os';
import { Worker } from 'node:worker_threads';
import { explain } from '../runs/node/explained.js';

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
type Signal = (typeof signals)[number];

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

/**
 * Receives signals beside the main thread, which sees nothing while a step computes. After the first
 * one SIGINT and SIGTERM have their default action again, so a second one ends the process at once,
 * also within a step. SIGHUP stays caught: a terminal that closes may send it twice. A Worker can
 * listen only by what `process.on` is made of; where Node has no such thing (it is deprecated), the
 * main thread listens.
 */
const program = `
process.noDeprecation = true;
const { parentPort, workerData } = require('node:worker_threads');
const { Signal } = process.binding('signal_wrap');
let first = true;
const handles = workerData.signals.map(([name, number]) => {
  const handle = new Signal();
  handle.onsignal = () => {
    if (!first) return;
    first = false;
    parentPort.postMessage(name);
    setTimeout(() => handles.forEach((one, i) => i < 2 && one.close()), workerData.echo);
  };
  handle.start(number);
  return handle;
});
parentPort.postMessage('ready');
`;

/** Listens for one process. */
export class Interrupt {
  readonly #controller = new AbortController();
  #reason: Error | undefined;

  /** Listens to signals from now on; resolves when they are heard. */
  listen(): Promise<void> {
    return new Promise((resolve) => {
      const workerData = {
        signals: signals.map((name) => [name, constants.signals[name]]),
        echo: ECHO,
      };
      const worker = new Worker(program, { eval: true, workerData });
      worker.on('message', (name: 'ready' | Signal) => {
        if (name === 'ready') {
          worker.unref(); // earlier it has no effect
          resolve();
        } else this.stop(new Interrupted(name));
      });
      worker.on('error', () => {
        this.#listenHere();
        resolve();
      });
    });
  }

  #listenHere(): void {
    for (const name of signals) {
      process.on(name, () => {
        if (this.#reason) return;
        this.stop(new Interrupted(name));
        setTimeout(() => {
          process.removeAllListeners('SIGINT');
          process.removeAllListeners('SIGTERM');
        }, ECHO);
      });
    }
  }

  /** Ends what checks, and what has `signal`; the first reason counts. */
  stop(reason: Error): void {
    this.#reason ??= reason;
    this.#controller.abort();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
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
