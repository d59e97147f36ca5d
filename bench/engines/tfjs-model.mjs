/**
 * The RMT of the benches in TensorFlow.js, as one would write it there. What its wasm backend has
 * no gradient kernel for is said in operations that have one: the embedding is a product with
 * one-hot rows (the gradient of `gather` needs UnsortedSegmentSum, which wasm lacks).
 */
import { decode } from '../lib/text.mjs';

/** Gives a function that makes the model of a request; the model's `step()` gives the loss, not yet read. */
export const rmt = (tf) => (request) => {
  const { nLayer, nHead, dModel, dHead, memory, vocabulary, batch, counted } = request.sizes;
  const { segmentLength: time, clip, learningRate } = request.sizes;
  const rows = time + 2 * memory;
  const variables = {};
  for (const { name, shape, data } of request.parameters) {
    variables[name] = tf.variable(tf.tensor(decode(data), shape), true, name);
  }
  const oneHot = (text) =>
    tf.tidy(() => {
      const ids = tf.tensor1d(decode(text, Int32Array), 'int32');
      return tf.cast(tf.oneHot(ids, vocabulary), 'float32'); // ids that don't count give rows of zeros
    });
  const segments = request.segments.map(({ inputs, targets, counts }) => ({
    inputs: oneHot(inputs),
    targets: counts ? oneHot(targets) : null,
  }));
  const hidden = tf.tensor(decode(request.hidden), [rows, rows]); // -1e9 where nobody may look
  const cos = tf.tensor(decode(request.cos), [rows, dHead / 2]);
  const sin = tf.tensor(decode(request.sin), [rows, dHead / 2]);
  const optimizer = tf.train.adam(learningRate, 0.9, 0.999, 1e-8);

  const norm = (x, name) => {
    const centred = tf.sub(x, tf.mean(x, -1, true));
    const variance = tf.mean(tf.square(centred), -1, true);
    const scaled = tf.mul(centred, tf.rsqrt(tf.add(variance, 1e-5)));
    return tf.add(tf.mul(scaled, variables[`${name}.weight`]), variables[`${name}.bias`]);
  };
  const linear = (x, name) => {
    const product = tf.matMul(x, variables[`${name}.weight`], false, true);
    const bias = variables[`${name}.bias`];
    return bias ? tf.add(product, bias) : product;
  };
  const rotate = (x) => {
    const [first, second] = tf.split(x, 2, -1);
    return tf.concat(
      [
        tf.sub(tf.mul(first, cos), tf.mul(second, sin)),
        tf.add(tf.mul(second, cos), tf.mul(first, sin)),
      ],
      -1,
    );
  };
  const attention = (x, name) => {
    const byHead = (part) =>
      tf.transpose(tf.reshape(part, [batch, rows, nHead, dHead]), [0, 2, 1, 3]);
    const [q, k, v] = tf.split(linear(x, `${name}.qkv`), 3, -1).map(byHead);
    const scores = tf.mul(tf.matMul(rotate(q), rotate(k), false, true), 1 / Math.sqrt(dHead));
    const attended = tf.matMul(tf.softmax(tf.add(scores, hidden)), v);
    const merged = tf.reshape(tf.transpose(attended, [0, 2, 1, 3]), [batch * rows, nHead * dHead]);
    return linear(merged, `${name}.output`);
  };
  /** Rows [batch * rows, dModel] through all layers. */
  const layers = (x) => {
    let h = x;
    for (let i = 0; i < nLayer; i++) {
      const name = `decoder.layers.${i}`;
      h = tf.add(h, attention(norm(h, `${name}.attentionNorm`), `${name}.attention`));
      const inner = linear(norm(h, `${name}.feedForwardNorm`), `${name}.feedForward.inner`);
      h = tf.add(h, linear(tf.relu(inner), `${name}.feedForward.outer`));
    }
    return norm(h, 'decoder.finalNorm');
  };
  const lossOf = () => {
    const embedding = variables['decoder.embedding'];
    let state = tf.tile(tf.expandDims(variables.memory, 0), [batch, 1, 1]);
    const losses = [];
    for (const { inputs, targets } of segments) {
      const embedded = tf.reshape(tf.matMul(inputs, embedding), [batch, time, dModel]);
      const x = tf.reshape(tf.concat([state, embedded, state], 1), [batch * rows, dModel]);
      const output = tf.reshape(layers(x), [batch, rows, dModel]);
      state = tf.slice(output, [0, memory + time, 0], [batch, memory, dModel]);
      if (!targets) continue;
      const read = tf.slice(output, [0, memory, 0], [batch, time, dModel]);
      const flat = tf.reshape(read, [batch * time, dModel]);
      const logits = tf.add(
        tf.matMul(flat, embedding, false, true),
        variables['decoder.outputBias'],
      );
      losses.push(tf.neg(tf.sum(tf.mul(tf.logSoftmax(logits), targets))));
    }
    return tf.div(tf.addN(losses), counted);
  };
  return {
    step: () =>
      tf.tidy(() => {
        const { value, grads } = tf.variableGrads(lossOf);
        const squares = Object.values(grads).map((gradient) => tf.sum(tf.square(gradient)));
        const length = tf.sqrt(tf.addN(squares));
        const factor = tf.minimum(tf.div(clip, tf.add(length, 1e-6)), 1);
        const clipped = {};
        for (const [name, gradient] of Object.entries(grads))
          clipped[name] = tf.mul(gradient, factor);
        optimizer.applyGradients(clipped);
        return value;
      }),
  };
};
