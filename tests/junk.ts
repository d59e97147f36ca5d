/** Calls with whatever a caller without types may pass: a result, or one `MemgradError`. */
import { MemgradError, Tensor } from '../src/index.js';

/** A function, a constructor or a method, called with anything. */
export type Call = (...args: unknown[]) => unknown;

class Layer {
  width = 1;
}
const cyclic: unknown[] = [];
cyclic.push(cyclic);

/** Values of every kind, none of which needs the engine; those that belong somewhere are wrong elsewhere. */
export const junk: readonly unknown[] = [
  ...[undefined, null, true, 0, 1, -1, 1.5, NaN, Infinity, 2 ** 31, 2 ** 53],
  ...['', 'x', 'y'.repeat(1e5), 10n, Symbol('s')],
  ...[[], [1], ['a'], [null], [Symbol('t')], cyclic, new Array(3)],
  ...[{}, Object.create(null), { a: 1 }, { step: {} }, new Layer(), new Map([['w', 1]])],
  ...[new Set([1]), new Date(0), /x/, Promise.resolve(1), () => 1, async () => 1],
  ...[new Float32Array(3), new Uint8Array(2), new DataView(new ArrayBuffer(8))],
];

/** What is wrong with the way in which `call(...args)` ends, or undefined. Iterators that it returns take one step. */
export async function fault(
  name: string,
  call: Call,
  args: readonly unknown[],
): Promise<string | undefined> {
  const start = performance.now();
  let error: unknown;
  try {
    const result = (await call(...args)) as Partial<AsyncGenerator> | null | undefined;
    if (typeof result?.next === 'function') {
      await result.next();
      await result.return?.(undefined);
    }
  } catch (thrown) {
    error = thrown;
  }
  const shown = `${name}(${args.map((arg) => show(arg)).join(', ')})`;
  if (performance.now() - start > 10_000) return `${shown} took too long`;
  if (error === undefined) return undefined;
  if (!(error instanceof MemgradError)) {
    return `${shown} => ${error instanceof Error ? error.stack?.slice(0, 400) : show(error)}`;
  }
  const { length } = error.message;
  return length > 600 ? `${shown} has a message of ${length} characters` : undefined;
}

/** A value in a few characters, for a list of faults. */
export function show(value: unknown, depth = 0): string {
  if (typeof value === 'function') return 'a function';
  if (value instanceof Tensor) return String(value);
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value !== 'object' || value === null) return String(value).slice(0, 30);
  const kind = Object.prototype.toString.call(value).slice(8, -1);
  if (kind !== 'Object' || depth > 3) return kind;
  const fields = Object.entries(value).map(([name, field]) => `${name}: ${show(field, depth + 1)}`);
  return `{ ${fields.join(', ')} }`.slice(0, 300);
}
