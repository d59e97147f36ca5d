/** The kernels of the wasm backend, written in AssemblyScript (TypeScript's syntax, compiled to WebAssembly with SIMD). */
export { adam, sumSquares } from './adam';
export { attention, attentionGradient, attentionScratch } from './attention';
export { crossEntropy, crossEntropyGradient } from './cross-entropy';
export { binary, binaryInt, fill, finite, reluGradient, toFloat, toInt, unary, where } from './elementwise';
export { layerNorm, layerNormGradient } from './layer-norm';
export { matmul, matmulScratch } from './matmul';
export { argmax, clear, finish, reduce } from './reduce';
export { rotate } from './rotate';
export { dropout, uniform } from './random';
export { copy, gather, scatterAdd } from './rows';
export { softmax, softmaxGradient } from './softmax';

/** Where memory is free: behind the constants of the kernels. */
export function heapBase(): usize {
  return __heap_base;
}
