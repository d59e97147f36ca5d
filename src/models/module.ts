/** The base of layers and models: parameters by name. */
import { Parameter } from '../autograd/index.js';

/**
 * Something with parameters. Its parameters are found in its fields, by name: those of a field
 * that is a module, or a list of modules, follow after a dot.
 */
export abstract class Module {
  /** All parameters by their dotted names, `layers.0.attention.qkv.weight`. */
  parameters(): Record<string, Parameter> {
    const found: Record<string, Parameter> = {};
    const visit = (prefix: string, value: unknown): void => {
      if (value instanceof Parameter) found[prefix] = value;
      else if (value instanceof Module || Array.isArray(value)) {
        for (const [name, field] of Object.entries(value)) {
          visit(prefix ? `${prefix}.${name}` : name, field);
        }
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
