/** The layout of memory. */

/** Where memory is free: behind the constants of the kernels. */
export function heapBase(): usize {
  return __heap_base;
}
