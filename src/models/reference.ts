/** Conversion between our parameter names and those of the published RMT code (LM-RMT, PyTorch). */
import { scope, tensor } from '../autograd/index.js';
import { describe, MemgradError } from '../errors.js';
import { Module } from '../nn/module.js';
import { requireThat } from '../options.js';
import { decodeSafetensors } from '../safetensors/index.js';
import { type HostArray, readArrays } from './arrays.js';
import { isHostArray } from './saved-state.js';

/** The values of one tensor of a reference checkpoint, row-major. */
export interface ReferenceTensor {
  readonly shape: readonly number[];
  readonly data: ArrayLike<number>;
}

/** Reference tensors by their names, as in a PyTorch state dict. */
export type ReferenceState = Readonly<Record<string, ReferenceTensor>>;

/**
 * What `loadReference` accepts: tensors in a record or a Map, the bytes of a safetensors file, or
 * the result of `decodeSafetensors`.
 */
export type ReferenceSource =
  | Uint8Array
  | ReferenceState
  | ReadonlyMap<string, ReferenceTensor>
  | { readonly tensors: ReadonlyMap<string, ReferenceTensor> };

/** Our name and the reference's; `*` matches the number of a layer. */
const names: readonly (readonly [ours: string, reference: string])[] = [
  ['decoder.embedding', 'word_emb.emb_layers.0.weight'],
  ['decoder.outputBias', 'crit.out_layers.0.bias'],
  ['decoder.adaptive.clusters.weight', 'crit.cluster_weight'],
  ['decoder.adaptive.clusters.bias', 'crit.cluster_bias'],
  ['decoder.u', 'r_w_bias'],
  ['decoder.v', 'r_r_bias'],
  ['memory', 'mem_tokens'],
  ['decoder.layers.*.attention.qkv.weight', 'layers.*.dec_attn.qkv_net.weight'],
  ['decoder.layers.*.attention.output.weight', 'layers.*.dec_attn.o_net.weight'],
  ['decoder.layers.*.attention.position.weight', 'layers.*.dec_attn.r_net.weight'],
  ['decoder.layers.*.attentionNorm.weight', 'layers.*.dec_attn.layer_norm.weight'],
  ['decoder.layers.*.attentionNorm.bias', 'layers.*.dec_attn.layer_norm.bias'],
  ['decoder.layers.*.feedForward.inner.weight', 'layers.*.pos_ff.CoreNet.0.weight'],
  ['decoder.layers.*.feedForward.inner.bias', 'layers.*.pos_ff.CoreNet.0.bias'],
  ['decoder.layers.*.feedForward.outer.weight', 'layers.*.pos_ff.CoreNet.3.weight'],
  ['decoder.layers.*.feedForward.outer.bias', 'layers.*.pos_ff.CoreNet.3.bias'],
  ['decoder.layers.*.feedForwardNorm.weight', 'layers.*.pos_ff.layer_norm.weight'],
  ['decoder.layers.*.feedForwardNorm.bias', 'layers.*.pos_ff.layer_norm.bias'],
];
const referenceNames = /* @__PURE__ */ new Map(names);

/** The tied weight, which a PyTorch state dict lists under two names, and a table of constants. */
const EMBEDDING = 'word_emb.emb_layers.0.weight';
const TIED = 'crit.out_layers.0.weight';
const CONSTANT = 'pos_emb.inv_freq';

/**
 * The names of the reference tensors that hold the parameter `name`: mostly one. A model whose
 * positions are added to the embeddings stores queries apart from keys and values.
 */
function referenceNamesOf(name: string, positionsAdded: boolean): string[] {
  const layer = /\.layers\.(\d+)\./.exec(name)?.[1];
  const pattern = layer === undefined ? name : name.replace(`.layers.${layer}.`, '.layers.*.');
  const reference = referenceNames.get(pattern)?.replace('*', layer ?? '*');
  if (reference === undefined) {
    throw new MemgradError(
      `The published code has no counterpart of the parameter '${name}'; use the settings of the preset 'paper'.`,
    );
  }
  if (!positionsAdded || !reference.endsWith('.qkv_net.weight')) return [reference];
  return ['q_net', 'kv_net'].map((part) => reference.replace('qkv_net', part));
}

function arePositionsAdded(names: readonly string[]): boolean {
  return !names.some((name) => name.endsWith('.attention.position.weight'));
}

/**
 * Renames the parameters of a model, or their gradients, to the reference's names; the tied weight
 * appears once. Throws `MemgradError` for a parameter that the reference doesn't have, such as a
 * final normalisation.
 */
export function toReference(
  arrays: Readonly<Record<string, HostArray>>,
): Record<string, HostArray> {
  const areArrays = Object.values(arrays ?? { arrays }).every(isHostArray);
  requireThat(areArrays, 'toReference: arrays', 'a record, as readArrays returns', arrays);
  const added = arePositionsAdded(Object.keys(arrays));
  const renamed = Object.entries(arrays).flatMap(([name, array]): [string, HostArray][] => {
    const theirs = referenceNamesOf(name, added);
    if (theirs.length === 1) return [[theirs[0], array]];
    const { dtype, data, shape } = array;
    const [rows, columns] = shape;
    const queries = rows / 3;
    const part = (start: number, end: number) => ({
      dtype,
      shape: [end - start, columns],
      data: data.slice(start * columns, end * columns),
    });
    return [
      [theirs[0], part(0, queries)],
      [theirs[1], part(queries, rows)],
    ];
  });
  return Object.fromEntries(renamed);
}

/**
 * The parameters of `model` as a reference checkpoint, which `encodeSafetensors` and
 * `loadReference` accept.
 */
export async function saveReference(model: Module): Promise<Record<string, HostArray>> {
  requireModule('saveReference', model);
  return toReference(await readArrays(model.parameters()));
}

/**
 * Loads a reference checkpoint into `model`: a state dict, or a safetensors file, decoded or not.
 * All names may begin with `module.`, as PyTorch's DataParallel writes them. Shapes may differ by
 * axes of length 1. The tied weight may be listed under both names if both are equal. Throws
 * `MemgradError`, before anything is changed, when a parameter is missing, has another size, or is
 * left over.
 */
export function loadReference(model: Module, source: ReferenceSource): void {
  requireModule('loadReference', model);
  const state = stateOf(source);
  const parameters = Object.entries(model.parameters());
  const added = arePositionsAdded(parameters.map(([name]) => name));
  const left = new Set(Object.keys(state));
  const take = (theirs: string, name: string): ReferenceTensor => {
    if (!left.delete(theirs)) {
      throw new MemgradError(
        `loadReference: the checkpoint has no '${theirs}' for the parameter '${name}'; check that it belongs to this model.`,
      );
    }
    return state[theirs];
  };
  const matches = parameters.map(([name, parameter]) => {
    const theirs = referenceNamesOf(name, added);
    const found = theirs.map((one) => take(one, name));
    const data = joined(found);
    const [first, ...rest] = found.map(({ shape }) => shape);
    const shape = rest.length === 0 ? first : [parameter.shape[0], ...first.slice(1)];
    if (long(shape) !== long(parameter.shape) || data.length !== parameter.size) {
      const came = found.map((part) => `[${part.shape.join(', ')}]`).join(' and ');
      throw new MemgradError(
        `loadReference: '${theirs.join("' and '")}' has shape ${came} and ${data.length} values, expected [${parameter.shape.join(', ')}].`,
      );
    }
    return { parameter, data };
  });
  if (left.delete(TIED) && !sameValues(state[TIED], state[EMBEDDING])) {
    throw new MemgradError(
      `loadReference: '${TIED}' and '${EMBEDDING}' differ, expected one tied weight; the model shares it.`,
    );
  }
  left.delete(CONSTANT);
  if (left.size > 0) {
    throw new MemgradError(
      `loadReference: the model has no parameter for '${[...left][0]}'; check that the checkpoint belongs to it.`,
    );
  }
  scope(() => {
    const values = matches.map(({ parameter: { shape, dtype, backend }, data }) =>
      tensor(data, { shape, dtype, backend }),
    );
    matches.forEach(({ parameter }, i) => {
      parameter.assign(values[i]);
    });
  });
}

/** The tensors of `source` by name, without the prefix `module.` if all have it. */
function stateOf(source: ReferenceSource): Record<string, ReferenceTensor> {
  const isObject = typeof source === 'object' && source !== null;
  requireThat(isObject, 'loadReference: the checkpoint', 'a record of tensors or a file', source);
  const file =
    ArrayBuffer.isView(source) || source instanceof ArrayBuffer
      ? decodeSafetensors(source as Uint8Array)
      : source;
  const tensors = 'tensors' in file && file.tensors instanceof Map ? file.tensors : file;
  const entries: [string, ReferenceTensor][] =
    tensors instanceof Map ? [...tensors] : Object.entries(tensors);
  const prefix = entries.every(([name]) => name.startsWith('module.')) ? 'module.'.length : 0;
  for (const [name, value] of entries) {
    const { shape, data } = value ?? {};
    const fits = Array.isArray(shape) && data && typeof (data[0] ?? data.length) === 'number';
    requireThat(fits, `loadReference: ${describe(name)}`, '{ shape, data } of numbers', value);
  }
  return Object.fromEntries(entries.map(([name, value]) => [name.slice(prefix), value]));
}

function requireModule(where: string, model: Module): void {
  requireThat(model instanceof Module, `${where}: model`, 'a model, as createModel makes', model);
}

/** The values of all `parts`, concatenated. */
function joined(parts: readonly ReferenceTensor[]): Float64Array {
  const values = new Float64Array(parts.reduce((sum, { data }) => sum + data.length, 0));
  let at = 0;
  for (const { data } of parts) {
    values.set(data, at);
    at += data.length;
  }
  return values;
}

/** The lengths other than 1. */
function long(shape: readonly number[]): string {
  return shape.filter((length) => length !== 1).join(', ');
}

function sameValues({ data: a }: ReferenceTensor, { data: b }: ReferenceTensor): boolean {
  return a.length === b.length && Array.from(a).every((value, i) => value === b[i]);
}
