/**
 * memgrad: tensors, operations and derivatives. Models, tasks and training have entry points of their own.
 *
 * @module memgrad
 */
import './default-backend.js';

export * from './autograd/index.js';
export * from './backends/index.js';
export { MemgradError, NotFinite, OutOfMemory } from './errors.js';
