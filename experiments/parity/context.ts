/** The context that all kinds of fixtures run in. */
import { type Backend, treeLeaves } from 'memgrad';
import type { Module } from 'memgrad/nn';

/** The backend of a fixture, and the largest relative difference that passes. */
export interface ParityContext {
  backend: Backend;
  tolerance: number;
}

/** Frees the tensors of a tree. */
export function disposeAll(tree: unknown): void {
  for (const tensor of treeLeaves(tree)) tensor.dispose();
}

/** Returns the result of `use`, and frees `model` even if it throws. */
export async function finallyDispose<T>(model: Module, use: () => Promise<T>): Promise<T> {
  try {
    return await use();
  } finally {
    model.dispose();
  }
}
