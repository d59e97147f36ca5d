/** Bad input from outside: a shape, a dtype, an option or a file. The message names what came, what was expected and what to do. */
export class MemgradError extends Error {
  override name = 'MemgradError';
}

/** A backend has no room for a result. The message says what is live; what there was before is untouched. */
export class OutOfMemory extends MemgradError {
  override name = 'OutOfMemory';
}
