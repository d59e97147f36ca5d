/** Layers one after the other. */
import type { Key, Tensor } from '../autograd/index.js';
import { isKey } from '../autograd/random.js';
import { check, requireThat } from '../options.js';
import { Module } from './module.js';

/** A module that maps one tensor to one tensor; `key` turns its dropout on. */
export interface Layer extends Module {
  /** Maps a tensor to a tensor. */
  forward(x: Tensor, key?: Key): Tensor;
}

/**
 * Applies layers in order: modules with `forward(x, key?)`, and functions of one tensor, such as
 * `relu`. Layer i gets the key `key.fold(i)`.
 *
 * @example
 * ```js
 * import { relu, zeros } from 'memgrad';
 * import { Dropout, Linear, Sequential } from 'memgrad/nn';
 *
 * const model = new Sequential(new Linear(3, 8), relu, new Dropout(0.1), new Linear(8, 2));
 * console.log(String(model.forward(zeros([5, 3])))); // => Tensor(float32 [5, 2] on wasm)
 * ```
 */
export class Sequential extends Module {
  /** The layers, in order. */
  readonly layers: readonly (Layer | ((x: Tensor) => Tensor))[];

  /** Throws `MemgradError` unless each layer is a function or a module with `forward`. */
  constructor(...layers: readonly (Layer | ((x: Tensor) => Tensor))[]) {
    super();
    layers.forEach((layer, i) => {
      const fits =
        layer instanceof Module ? typeof layer.forward === 'function' : typeof layer === 'function';
      requireThat(fits, `Sequential: layer ${i}`, 'a function or a Module with forward()', layer);
    });
    this.layers = layers;
  }

  /** Maps the input of the first layer to the output of the last. */
  forward(x: Tensor, key?: Key): Tensor {
    if (key !== undefined) check('Sequential: key', key, isKey);
    return this.layers.reduce(
      (rows, layer, i) =>
        layer instanceof Module ? layer.forward(rows, key?.fold(i)) : layer(rows),
      x,
    );
  }
}
