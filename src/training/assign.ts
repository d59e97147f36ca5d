/** Assigns the tensors of a file to parameters: all of them, or none. */
import { type Parameter, scope, type Tensor, tensor } from '../autograd/index.js';
import { MemgradError } from '../errors.js';
import type { StoredTensor } from '../safetensors/index.js';
import type { Named } from './optimizers/optimizer.js';

/** Tensors of an untrusted file. */
export interface StoredTensors {
  /** The name of the file, for messages. */
  readonly file: string;
  readonly tensors: ReadonlyMap<string, StoredTensor>;
}

/**
 * Assigns the stored tensors to `targets`, which belong to `owner`. Throws `MemgradError`, and assigns
 * nothing, unless names, shapes and dtypes are exactly the same.
 */
export function assignAll(
  targets: Named<Parameter>,
  { file, tensors }: StoredTensors,
  owner = 'run',
): void {
  const refuse = (what: string): never => {
    throw new MemgradError(`${file} ${what}; it must come from the same ${owner}.`);
  };
  for (const name of tensors.keys()) {
    if (!Object.hasOwn(targets, name)) {
      refuse(`has a tensor ${JSON.stringify(name).slice(0, 80)} that the ${owner} does not have`);
    }
  }
  for (const [name, { shape, dtype }] of Object.entries(targets)) {
    const found = tensors.get(name);
    if (!found) refuse(`lacks the tensor '${name}' of the ${owner}`);
    else if (show(found) !== show({ shape, dtype })) {
      refuse(`has '${name}' as ${show(found)}, but the ${owner} needs ${show({ shape, dtype })}`);
    }
  }
  scope(() => {
    const values = Object.entries(targets).map(([name, { backend }]): [string, Tensor] => {
      const { data, shape } = tensors.get(name) as StoredTensor;
      return [name, tensor(data, { shape, backend })];
    });
    for (const [name, value] of values) targets[name].assign(value);
  });
}

function show({ dtype, shape }: { dtype: string; shape: readonly number[] }): string {
  return `${dtype} [${shape.join(', ')}]`.slice(0, 80);
}
