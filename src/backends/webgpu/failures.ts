/** What went wrong on a device, as the sentence with which reads are refused. */
import { MemgradError } from '../../errors.js';
import { closed, full } from '../gpu/errors.js';

export class Failures {
  /** The first error, after which no value can be trusted. */
  first: MemgradError | undefined;
  /** Resolves when the device is lost or closed, after which some promises of it may never settle. */
  readonly over: Promise<unknown>;
  readonly #device: GPUDevice;
  #end: (value?: unknown) => void = () => {};

  constructor(device: GPUDevice) {
    this.#device = device;
    const ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    const lost = device.lost.then(({ message }) => {
      this.first ??= new MemgradError(
        `webgpu: the system took the GPU away (${message || 'device lost'}), so its values are lost; load the backend again, or continue from the last checkpoint on 'wasm'.`,
      );
    });
    this.over = Promise.race([lost, ended]);
    device.addEventListener('uncapturederror', this.#onError);
  }

  /** A kernel does not compile. Resolves after the device had time to say why. */
  async refused(error: unknown): Promise<void> {
    await task();
    this.first ??= notRunning(error);
  }

  /** The error of a read that ended with `error`, once the device had time to say why. */
  async ofRead(error: unknown): Promise<MemgradError> {
    await task();
    return this.first ?? unfit(`a result cannot be read: ${error}`);
  }

  close(): void {
    this.first ??= closed('webgpu');
    this.#end();
  }

  /** Leaves later errors of the device to the app. */
  ignore(): void {
    this.#device.removeEventListener('uncapturederror', this.#onError);
  }

  readonly #onError = (event: GPUUncapturedErrorEvent) => {
    event.preventDefault(); // the next read reports it
    this.first ??=
      event.error.constructor.name === 'GPUOutOfMemoryError' // not a global class in Node
        ? full('webgpu')
        : notRunning(event.error);
  };
}

/** Events of the device come in tasks of their own. */
function task(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}

function notRunning(error: unknown): MemgradError {
  const [reason] = String((error as Error)?.message ?? error).split('\n');
  return unfit(`a kernel does not run on this GPU (${reason})`);
}

function unfit(reason: string): MemgradError {
  return new MemgradError(`webgpu: ${reason}; use the backend 'wasm', and please report it.`);
}
