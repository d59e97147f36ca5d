/** `explain`: from the text of an expression to everything that was computed. */
import { type Nested, scope, watch } from '../autograd/index.js';
import type { Backend } from '../backends/backend.js';
import { loadBackend } from '../backends/index.js';
import { describe, MemgradError } from '../errors.js';
import { backendKind, checkOptions, type OptionNames } from '../options.js';
import type { Explanation } from './explanation.js';
import { type Program, parse } from './parse.js';
import { Recording } from './recording.js';
import { shorten } from './source.js';

/** Options of `explain`. */
export interface ExplainOptions {
  /** The values of variables: numbers and nested lists. */
  at?: Readonly<Record<string, Nested>> | ReadonlyMap<string, Nested>;
  /**
   * The backend: by default cpu, in float64; wasm computes in float32. cpu can't run on a page with
   * a strict content-security policy.
   */
  backend?: Backend;
}

/** The options of `explain`. */
const known: OptionNames<ExplainOptions> = { at: 1, backend: backendKind };

/**
 * Runs `expression` forward and backward, in float64 if the backend supports it, and returns every
 * intermediate value and gradient. Variables that `at` omits are numbers: 0.5, 1.5, 0.25 and so on.
 * A result of several numbers is summed. Throws `MemgradError`, with the position, for anything
 * that can't be parsed, and for more than a person can read: 200 operations, or 64 numbers in a
 * value.
 *
 * @example
 * ```js
 * import { explain } from 'memgrad/explain';
 *
 * const { nodes, backward } = await explain('tanh(w * x)', { at: { w: 0.5, x: 2 } });
 * console.log(nodes.map(({ name }) => name).join(' ')); // => w x v₁ v₂
 * console.log(backward[0].contributions[0].value[0].toFixed(4)); // => 0.4200
 * ```
 */
export async function explain(expression: string, options?: ExplainOptions): Promise<Explanation> {
  checkOptions('explain', options, known);
  const { at = {}, backend } = options ?? {};
  const program = parse(expression);
  const given = valuesOf(at);
  const defaults = withoutValue(program, given);
  const recording = new Recording(program, given, defaults, backend ?? (await loadBackend('cpu')));
  scope(() => {
    watch(
      () => recording.run(),
      ({ operation, path, gradientOf }) => {
        if (gradientOf === undefined) recording.ran(operation, path);
      },
    );
  });
  return recording.read();
}

function valuesOf(at: unknown): ReadonlyMap<string, Nested> {
  if (at instanceof Map) return at;
  if (typeof at !== 'object' || at === null || Array.isArray(at)) {
    throw new MemgradError(
      `explain: at must be an object or a Map of values by name, got ${describe(at)}; parseValues makes one from text.`,
    );
  }
  return new Map(Object.entries(at).filter(([, value]) => value !== undefined));
}

/**
 * Returns the variables without a value. Throws for a value that isn't of a variable, and for an
 * invalid value.
 */
function withoutValue(program: Program, given: ReadonlyMap<string, Nested>): string[] {
  const { variables } = program;
  for (const [name, value] of given) {
    if (!variables.includes(name)) {
      throw new MemgradError(
        `explain: a value is given for '${shorten(name)}', which the expression doesn't read; ${variables.length > 0 ? `it reads ${variables.join(', ')}` : 'it reads no variable'}.`,
      );
    }
    if (!isValue(value)) {
      throw new MemgradError(
        `explain: the value of ${name} must be a number or a list of numbers, got ${describe(value)}.`,
      );
    }
  }
  return variables.filter((name) => !given.has(name));
}

/** Whether `value` may hold numbers; `tensor` checks the contents of lists. */
function isValue(value: unknown): boolean {
  return typeof value === 'number' || Array.isArray(value) || ArrayBuffer.isView(value);
}
