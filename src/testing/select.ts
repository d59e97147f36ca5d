/** Choosing operations by name. */
import { MemgradError } from '../errors.js';

/** `wanted`, or all names when left out. Throws for a name that is not among them. */
export function selectOperations<Name extends string>(
  caller: string,
  names: readonly Name[],
  wanted: readonly string[] | undefined,
): readonly Name[] {
  const unknown = wanted?.find((name) => !names.includes(name as Name));
  if (unknown !== undefined) {
    throw new MemgradError(
      `${caller}: the operation '${unknown}' is not known; choose from ${names.join(', ')}.`,
    );
  }
  return (wanted as readonly Name[] | undefined) ?? names;
}
