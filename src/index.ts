/**
 * memgrad: tensors, operations and derivatives. Models, tasks and training have entry points of their own.
 *
 * @module memgrad
 */
export * from './autograd/index.js';
export * from './backends/index.js';
export { MemgradError, NotFinite, OutOfMemory } from './errors.js';
