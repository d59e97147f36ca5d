/** Bad input from outside: a shape, a dtype, an option or a file. The message names what came, what was expected and what to do. */
export class MemgradError extends Error {
  override name = 'MemgradError';
}
