/** The layout of memory. */

/** The first free address, after the constants of the kernels. */
export function heapBase(): usize {
  return __heap_base;
}
