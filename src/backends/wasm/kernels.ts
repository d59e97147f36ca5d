/** The types of the compiled kernels and their buffers on the host. */
import type { DeviceBuffer } from '../backend.js';
import type { ExportName } from './exports.js';

/** A block of the linear memory. */
export interface WasmBuffer extends DeviceBuffer {
  readonly address: number;
}

/** The functions that the compiled module exports; addresses and strides are in bytes. */
export type Exports = Record<ExportName, (...numbers: number[]) => number>;
