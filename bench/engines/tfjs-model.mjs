/**
 * The RMT of the benchmarks in idiomatic TensorFlow.js. Operations without a gradient kernel in its
 * wasm backend are replaced by others: the embedding is a product with one-hot rows, since the
 * gradient of `gather` needs UnsortedSegmentSum, which wasm lacks.
 */
import { decode } from '../lib/text.mjs';

/**
 * Returns a function that builds the model of a request; the model's `step()` returns the loss, not
 * yet read.
 */
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
      return tf.cast(tf.oneHot(ids, vocabulary), 'float32'); // ids that don't count become rows of zeros
    });
  const segments = request.segments.map(({ inputs, targets, counts }) => ({
    inputs: oneHot(inputs),
    targets: counts ? oneHot(targets) : null,
  }));
  const hidden = tf.tensor(decode(request.hidden), [rows, rows]); // -1e9 where attention is masked
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
  /** The rows of each sequence from `first` on. */
  const from = (first, x) => {
    if (first === 0) return x;
    const width = x.shape[1];
    const behind = tf.slice(tf.reshape(x, [batch, rows, width]), [0, first, 0]);
    return tf.reshape(behind, [-1, width]);
  };
  const rotate = (x, first = 0) => {
    const [one, other] = tf.split(x, 2, -1);
    const [c, s] = [cos, sin].map((table) => tf.slice(table, [first, 0]));
    return tf.concat(
      [tf.sub(tf.mul(one, c), tf.mul(other, s)), tf.add(tf.mul(other, c), tf.mul(one, s))],
      -1,
    );
  };
  /** Attention of the rows from `first` on. */
  const attention = (x, name, first) => {
    const width = nHead * dHead;
    const byHead = (part) =>
      tf.transpose(tf.reshape(part, [batch, -1, nHead, dHead]), [0, 2, 1, 3]);
    const weight = variables[`${name}.qkv.weight`];
    const q = byHead(tf.matMul(from(first, x), tf.slice(weight, [0, 0], [width]), false, true));
    const both = tf.matMul(x, tf.slice(weight, [width, 0]), false, true);
    const [k, v] = tf.split(both, 2, -1).map(byHead);
    const products = tf.matMul(rotate(q, first), rotate(k), false, true);
    const scores = tf.add(tf.mul(products, 1 / Math.sqrt(dHead)), tf.slice(hidden, [first, 0]));
    const attended = tf.transpose(tf.matMul(tf.softmax(scores), v), [0, 2, 1, 3]);
    return linear(tf.reshape(attended, [-1, width]), `${name}.output`);
  };
  /** All layers on rows [batch * rows, dModel]; the last computes only the rows from `first` on. */
  const layers = (x, first) => {
    let h = x;
    for (let i = 0; i < nLayer; i++) {
      const name = `decoder.layers.${i}`;
      const begin = i === nLayer - 1 ? first : 0;
      const attended = attention(norm(h, `${name}.attentionNorm`), `${name}.attention`, begin);
      h = tf.add(from(begin, h), attended);
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
      const first = targets ? memory : memory + time;
      const output = tf.reshape(layers(x, first), [batch, rows - first, dModel]);
      state = tf.slice(output, [0, memory + time - first, 0]);
      if (!targets) continue;
      const read = tf.slice(output, [0, 0, 0], [batch, time, dModel]);
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
        const length = tf.sqrt(squares.reduce((sum, square) => tf.add(sum, square)));
        const factor = tf.minimum(tf.div(clip, tf.add(length, 1e-6)), 1);
        const clipped = {};
        for (const [name, gradient] of Object.entries(grads))
          clipped[name] = tf.mul(gradient, factor);
        optimizer.applyGradients(clipped);
        return value;
      }),
  };
};
