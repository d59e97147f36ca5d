/** Registers `wasm` as the backend on which tensors are made when none is named. Every entry point of the package imports it. */
import { registerBackend } from './autograd/create.js';
import { createWasmBackend } from './backends/wasm/index.js';

registerBackend(createWasmBackend);
