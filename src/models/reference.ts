/** Parameters by the names of the published RMT code (LM-RMT, PyTorch). */
import { scope, tensor } from '../autograd/index.js';
import { MemgradError } from '../errors.js';
import type { Module } from './module.js';

/** The values of one reference tensor, row-major. */
export interface ReferenceTensor {
  readonly shape: readonly number[];
  readonly data: ArrayLike<number>;
}

/** Our name, as a pattern, and the reference's; `*` stands for the number of a layer. */
const names: readonly (readonly [ours: string, reference: string])[] = [
  ['decoder.embedding', 'word_emb.emb_layers.0.weight'],
  ['decoder.outputBias', 'crit.out_layers.0.bias'],
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
const referenceNames = new Map(names);

/** The reference's name of our parameter `name`, or undefined where it has none. */
export function referenceName(name: string): string | undefined {
  const layer = /\.layers\.(\d+)\./.exec(name)?.[1];
  const pattern = layer === undefined ? name : name.replace(`.layers.${layer}.`, '.layers.*.');
  return referenceNames.get(pattern)?.replace('*', layer ?? '*');
}

/**
 * Gives `model` the parameters of a reference checkpoint. Shapes may differ by axes of length 1.
 * Throws, before anything is changed, when a parameter is missing, has another size, or is left over.
 */
export function loadReference(
  model: Module,
  state: Readonly<Record<string, ReferenceTensor>>,
): void {
  const left = new Set(Object.keys(state));
  const matches = Object.entries(model.parameters()).map(([name, parameter]) => {
    const reference = referenceName(name);
    if (reference === undefined || !Object.hasOwn(state, reference)) {
      throw new MemgradError(
        `loadReference: the checkpoint has no '${reference}' for the parameter '${name}'; check that it belongs to this model.`,
      );
    }
    left.delete(reference);
    const { shape, data } = state[reference];
    const long = (lengths: readonly number[]) =>
      lengths.filter((length) => length !== 1).join(', ');
    if (long(shape) !== long(parameter.shape) || data.length !== parameter.size) {
      throw new MemgradError(
        `loadReference: '${reference}' has shape [${shape.join(', ')}] and ${data.length} values, expected [${parameter.shape.join(', ')}].`,
      );
    }
    return { parameter, data };
  });
  if (left.size > 0) {
    throw new MemgradError(
      `loadReference: the model has no place for '${[...left][0]}'; check that the checkpoint belongs to it.`,
    );
  }
  scope(() => {
    for (const { parameter, data } of matches) {
      const { shape, dtype, backend } = parameter;
      parameter.assign(tensor(Float64Array.from(data), { shape, dtype, backend }));
    }
  });
}
