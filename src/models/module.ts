/** The base of layers and models: parameters by name. */
import { Parameter, Tensor } from '../autograd/index.js';
import { MemgradError } from '../errors.js';

/** What is being listed: a module that holds its own parent is listed once. */
const open = new Set<unknown>();

/** Something with parameters, which are found in its fields. */
export abstract class Module {
  /**
   * All parameters by their dotted names, `layers.0.attention.qkv.weight`: those in fields, and in
   * the modules, lists and plain records that fields hold. No code outside of a class sees fields
   * whose names begin with #: a module that keeps parameters there overrides this method.
   *
   * Throws `MemgradError` where parameters would be lost: in a Map, a Set or an object that isn't a
   * module; for a tensor that isn't a parameter, since no optimiser trains it and no file holds it;
   * and for two parameters of one name.
   */
  parameters(): Record<string, Parameter> {
    const found: Record<string, Parameter> = {};
    const refuse = (path: string, why: string): never => {
      throw new MemgradError(`parameters: the field '${path}' ${why}.`);
    };
    const add = (path: string, parameter: Parameter) => {
      if (Object.hasOwn(found, path)) refuse(path, 'is there twice; rename one');
      found[path] = parameter;
    };
    const visit = (path: string, value: unknown): void => {
      const within = (
        fields: Record<string, Parameter>,
        see: (path: string, field: Parameter) => void,
      ) => {
        for (const [name, field] of Object.entries(fields))
          see(path ? `${path}.${name}` : name, field);
      };
      if (value instanceof Parameter) add(path, value);
      else if (value instanceof Tensor) {
        refuse(path, 'is a tensor but not a Parameter; make it one, or keep constants in #fields');
      } else if (open.has(value)) return;
      else if (value instanceof Module && value !== this) within(value.parameters(), add);
      else if (value === this || Array.isArray(value) || isRecord(value)) {
        open.add(value);
        try {
          within(value as Record<string, Parameter>, visit);
        } finally {
          open.delete(value);
        }
      } else if (holdsTensors(value, 3)) {
        refuse(path, 'hides parameters; hold them in a Module, a list or a plain record');
      }
    };
    visit('', this);
    return found;
  }

  /** How many trainable numbers there are; a tied weight counts once. */
  parameterCount(): number {
    const all = new Set(Object.values(this.parameters()));
    return [...all].reduce((count, { size }) => count + size, 0);
  }

  /** Frees the parameters. */
  dispose(): void {
    for (const parameter of Object.values(this.parameters())) parameter.dispose();
  }
}

function isRecord(value: unknown): boolean {
  const prototype = typeof value === 'object' && value !== null && Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** Whether there are tensors or modules in a Map, a Set or an object, at most `depth` levels down. A backend isn't looked into. */
function holdsTensors(value: unknown, depth: number): boolean {
  if (value instanceof Tensor || value instanceof Module) return true;
  if (typeof value !== 'object' || value === null || depth === 0) return false;
  if (ArrayBuffer.isView(value) || 'dtypes' in value) return false;
  const isMap = value instanceof Map;
  const parts = isMap || value instanceof Set ? [...value] : Object.values(value);
  return parts.flat().some((part) => holdsTensors(part, depth - 1));
}
