/** Ctrl-C and SIGTERM: the step that is being taken is finished, and what there is is saved. */
import { constants } from 'node:os';

type Signal = 'SIGINT' | 'SIGTERM';

/** Thrown where a command leaves off because of a signal. */
export class Interrupted extends Error {
  /** As a shell reports a process that died of the signal: 130 and 143. */
  readonly exitCode: number;

  constructor(signal: Signal) {
    super(`stopped by ${signal}`);
    this.exitCode = 128 + constants.signals[signal];
  }
}

/** Listens to signals for one command. The second one ends the process at once. */
export class Interrupt {
  readonly #controller = new AbortController();
  #received: Signal | undefined;

  constructor() {
    for (const name of ['SIGINT', 'SIGTERM'] as const) {
      process.on(name, () => {
        if (this.#received) process.exit(new Interrupted(name).exitCode);
        this.#received = name;
        this.#controller.abort();
      });
    }
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Throws `Interrupted` when a signal came, after giving it its turn to come in. */
  async check(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve));
    if (this.#received) throw new Interrupted(this.#received);
  }
}
