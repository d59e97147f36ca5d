/** The base of layers and models: parameters by name. */
import { Parameter, Tensor } from '../autograd/index.js';
import { isPlain, MemgradError } from '../errors.js';

/** Objects being traversed: a module that holds its own parent is listed once. */
const open = new Set<unknown>();

/** Base class of everything with parameters, which it finds in the fields. */
export abstract class Module {
  /**
   * All parameters by their dotted names, such as `layers.0.attention.qkv.weight`: those in fields,
   * and in modules, lists and plain records that fields hold. Private fields (#) can't be seen from
   * outside their class: a module that keeps parameters there overrides this method and returns
   * `{ ...super.parameters(), scale: this.#scale }`.
   *
   * Throws `MemgradError` where parameters would be missed: in a Map, a Set, a function, an object
   * that isn't a module, or under a Symbol. Also throws for a tensor that isn't a parameter, since
   * no optimiser trains it and no file stores it, and for two parameters with the same name.
   */
  parameters(): Record<string, Parameter> {
    const found: Record<string, Parameter> = {};
    // `levels` limits the search in objects whose parameters would be missed, since most hold none.
    const visit = (path: string, value: unknown, levels?: number): void => {
      const isObject = typeof value === 'object' || typeof value === 'function';
      if (!isObject || value === null || levels === 0 || open.has(value)) return;
      const isModule = value instanceof Module && value !== this;
      if (isModule || value instanceof Tensor) {
        const isKnown = isModule || value instanceof Parameter;
        if (levels || !isKnown || Object.hasOwn(found, path)) refuse(path, !isKnown);
        if (!isModule) found[path] = value as Parameter;
        else {
          for (const [name, parameter] of Object.entries(value.parameters())) {
            visit(`${path}.${name}`, parameter);
          }
        }
      } else if (!ArrayBuffer.isView(value) && !('dtypes' in value)) {
        const isSeen = value === this || Array.isArray(value) || isPlain(value);
        const left = levels ? levels - 1 : isSeen ? undefined : 4;
        const fields = value instanceof Map || value instanceof Set ? [...value] : value;
        open.add(value);
        try {
          for (const name of isSeen ? Reflect.ownKeys(fields) : Object.keys(fields)) {
            const { enumerable, value: held } = Object(
              Object.getOwnPropertyDescriptor(fields, name),
            );
            const field = enumerable ? fields[name as never] : held; // hidden getters aren't called
            const text = String(name);
            const lost = typeof name === 'symbol' ? 4 : undefined;
            visit(path ? `${path}.${text}` : text, field, left ?? lost);
          }
        } finally {
          open.delete(value);
        }
      }
    };
    visit('', this);
    return found;
  }

  /** Number of trainable values; a tied weight counts once. */
  parameterCount(): number {
    const all = new Set(Object.values(this.parameters()));
    return [...all].reduce((count, { size }) => count + size, 0);
  }

  /**
   * The text that `console.log` prints in Node, Deno and Bun: the parameters without their values.
   */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    const all = Object.entries(this.parameters()).map(([name, one]) => `\n  ${name}: ${one}`);
    const more = all.length > 12 ? `\n  … and ${all.length - 12} more` : '';
    const head = `${this.constructor.name}(${this.parameterCount()} parameters)`;
    return head + all.slice(0, 12).join('') + more;
  }

  /**
   * Throws `MemgradError`: the JSON would have the configuration but no parameter, which nobody
   * would notice before reading it.
   */
  toJSON(): never {
    throw new MemgradError(
      `${this.constructor.name}: a model cannot be written as JSON; save what readArrays(model.parameters()) returns with encodeSafetensors.`,
    );
  }

  /** Frees the parameters. */
  dispose(): void {
    for (const parameter of Object.values(this.parameters())) parameter.dispose();
  }
}

function refuse(path: string, isTensor: boolean): never {
  const what = isTensor ? 'a tensor but not a Parameter' : 'not found, or found twice';
  throw new MemgradError(
    `parameters: '${path}' is ${what}; keep Parameters in fields, lists, plain records and Modules, and constants in #fields.`,
  );
}
