/** Selects operations by name. */
import { describe, MemgradError } from '../errors.js';
import { requireThat } from '../options.js';

/** Returns `wanted`, or all names if it is undefined. Throws `MemgradError` for an unknown name. */
export function selectOperations<Name extends string>(
  caller: string,
  names: readonly Name[],
  wanted: readonly string[] | undefined,
): readonly Name[] {
  requireThat(
    wanted === undefined || Array.isArray(wanted),
    `${caller}: operations`,
    'a list of names',
    wanted,
  );
  const unknown = wanted?.findIndex((name) => !names.includes(name as Name)) ?? -1;
  if (unknown >= 0) {
    throw new MemgradError(
      `${caller}: there is no operation ${describe(wanted?.[unknown])}; choose from ${names.join(', ')}.`,
    );
  }
  return (wanted as readonly Name[] | undefined) ?? names;
}
