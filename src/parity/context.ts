/** What every kind of fixture runs with. */
import { treeLeaves } from '../autograd/index.js';
import type { Backend } from '../backends/backend.js';
import type { Module } from '../models/index.js';

/** Where a fixture runs, and how far it may be off. */
export interface ParityContext {
  backend: Backend;
  tolerance: number;
}

/** Frees the tensors of a tree. */
export function disposeAll(tree: unknown): void {
  for (const tensor of treeLeaves(tree)) tensor.dispose();
}

/** What `use` gives; `model` is freed whatever happens. */
export async function finallyDispose<T>(model: Module, use: () => Promise<T>): Promise<T> {
  try {
    return await use();
  } finally {
    model.dispose();
  }
}
