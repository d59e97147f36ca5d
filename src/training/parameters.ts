/** The parameters of whatever has some. */
import { Parameter } from '../autograd/index.js';
import { describe, isPlain, MemgradError } from '../errors.js';

/** A model, or anything else that has parameters. */
export interface Parametrized {
  /** All parameters by name. */
  parameters(): Readonly<Record<string, Parameter>>;
}

/** A model, or parameters by name. */
export type ParameterSource = Parametrized | Readonly<Record<string, Parameter>>;

/**
 * Returns the parameters of `source` by name. A parameter with two names, such as a tied weight, has
 * only the first. Throws `MemgradError` for anything that isn't a Parameter, and where there is none.
 */
export function parametersOf(where: string, source: ParameterSource): Record<string, Parameter> {
  const { parameters } = Object(source) as { parameters?: unknown };
  const found: unknown = typeof parameters === 'function' ? parameters.call(source) : source;
  if (typeof found !== 'object' || found === null || !isPlain(found) || Array.isArray(found)) {
    throw new MemgradError(
      `${where}: expected a model with parameters(), or Parameters by name, as { w, b }, got ${describe(found)}.`,
    );
  }
  const named: Record<string, Parameter> = {};
  const seen = new Set<Parameter>();
  for (const [name, parameter] of Object.entries(found)) {
    if (!(parameter instanceof Parameter)) {
      throw new MemgradError(
        `${where}: ${describe(name)} is ${describe(parameter)}, expected a Parameter; make one with new Parameter(tensor).`,
      );
    }
    if (!seen.has(parameter)) named[name] = parameter;
    seen.add(parameter);
  }
  if (seen.size > 0) return named;
  throw new MemgradError(`${where}: there are no parameters, expected at least one.`);
}
