/**
 * The RMT of the benchmarks in jax-js. Every function takes ownership of its arguments (see its
 * README), so `.ref` marks a value that is used again.
 */
import { decode } from '../lib/text.mjs';

/**
 * Returns a function that builds the model of a request; the model's `step()` returns the loss, not
 * yet read.
 */
export const rmt =
  ({ numpy: np, nn, jit, valueAndGrad }) =>
  (request) => {
    const { nLayer, nHead, dModel, dHead, memory, vocabulary, batch, counted } = request.sizes;
    const { segmentLength: time, clip, learningRate } = request.sizes;
    const rows = time + 2 * memory;
    const array = (text, shape) => np.array(decode(text)).reshape(shape);
    const map = (tree, f) =>
      Object.fromEntries(Object.entries(tree).map(([name, value]) => [name, f(value, name)]));

    /**
     * One-hot rows: the embedding and the loss are products with them. Ids that don't count become
     * zeros.
     */
    const oneHot = (text) => {
      const ids = decode(text, Int32Array);
      const flat = new Float32Array(ids.length * vocabulary);
      ids.forEach((id, row) => {
        if (id >= 0) flat[row * vocabulary + id] = 1;
      });
      return np.array(flat).reshape([ids.length, vocabulary]);
    };
    const constants = {
      hidden: array(request.hidden, [rows, rows]), // -1e9 where attention is masked
      cos: array(request.cos, [rows, dHead / 2]),
      sin: array(request.sin, [rows, dHead / 2]),
    };
    request.segments.forEach(({ inputs, targets, counts }, i) => {
      constants[`inputs${i}`] = oneHot(inputs);
      if (counts) constants[`targets${i}`] = oneHot(targets);
    });

    const lossOf = (parameters, given) => {
      const p = (name) => parameters[name].ref;
      const norm = (x, name) => {
        const centred = x.ref.sub(np.mean(x, -1, { keepdims: true }));
        const variance = np.mean(np.square(centred.ref), -1, { keepdims: true });
        return centred
          .div(np.sqrt(variance.add(1e-5)))
          .mul(p(`${name}.weight`))
          .add(p(`${name}.bias`));
      };
      const linear = (x, name) => {
        const product = np.matmul(x, p(`${name}.weight`).transpose());
        return parameters[`${name}.bias`] ? product.add(p(`${name}.bias`)) : product;
      };
      /** The rows of each sequence from `first` on. */
      const from = (first, x) => {
        if (first === 0) return x;
        const width = x.shape[1];
        const behind = x.reshape([batch, rows, width]).slice([], [first, rows]);
        return behind.reshape([batch * (rows - first), width]);
      };
      const rotate = (x, first = 0) => {
        const [one, other] = np.split(x, 2, -1);
        const [cos, sin] = [given.cos, given.sin].map((table) => table.ref.slice([first, rows]));
        return np.concatenate(
          [one.ref.mul(cos.ref).sub(other.ref.mul(sin.ref)), other.mul(cos).add(one.mul(sin))],
          -1,
        );
      };
      /** Attention of the rows from `first` on. */
      const attention = (x, name, first) => {
        const width = nHead * dHead;
        const count = rows - first;
        const byHead = (part, each) =>
          part.reshape([batch, each, nHead, dHead]).transpose([0, 2, 1, 3]);
        const weight = p(`${name}.qkv.weight`);
        const ofQueries = weight.ref.slice([0, width]).transpose();
        const q = byHead(np.matmul(from(first, x.ref), ofQueries), count);
        const both = np.matmul(x, weight.slice([width, 3 * width]).transpose());
        const [k, v] = np.split(both, 2, -1).map((part) => byHead(part, rows));
        const products = np.matmul(rotate(q, first), rotate(k).transpose([0, 1, 3, 2]));
        const hidden = given.hidden.ref.slice([first, rows]);
        const weights = nn.softmax(products.mul(1 / Math.sqrt(dHead)).add(hidden), -1);
        const attended = np.matmul(weights, v).transpose([0, 2, 1, 3]);
        return linear(attended.reshape([batch * count, width]), `${name}.output`);
      };
      /** All layers; the last computes only the rows from `first` on. */
      const layers = (x, first) => {
        let h = x;
        for (let i = 0; i < nLayer; i++) {
          const name = `decoder.layers.${i}`;
          const begin = i === nLayer - 1 ? first : 0;
          const normed = norm(h.ref, `${name}.attentionNorm`);
          h = from(begin, h).add(attention(normed, `${name}.attention`, begin));
          const inner = linear(norm(h.ref, `${name}.feedForwardNorm`), `${name}.feedForward.inner`);
          h = h.add(linear(nn.relu(inner), `${name}.feedForward.outer`));
        }
        return norm(h, 'decoder.finalNorm');
      };

      let state = np.broadcastTo(p('memory'), [batch, memory, dModel]);
      let total;
      for (let i = 0; `inputs${i}` in given; i++) {
        const embedded = np.matmul(given[`inputs${i}`].ref, p('decoder.embedding'));
        const x = np.concatenate([state.ref, embedded.reshape([batch, time, dModel]), state], 1);
        const targets = given[`targets${i}`];
        const first = targets ? memory : memory + time;
        const output = layers(x.reshape([batch * rows, dModel]), first);
        const kept = output.reshape([batch, rows - first, dModel]);
        if (!targets) {
          state = kept;
          continue;
        }
        state = kept.ref.slice([], [time, rows - first]);
        const read = kept.slice([], [0, time]).reshape([batch * time, dModel]);
        const logits = np.matmul(read, p('decoder.embedding').transpose());
        const scores = nn.logSoftmax(logits.add(p('decoder.outputBias')), -1);
        const loss = np.sum(scores.mul(targets.ref));
        total = total ? total.add(loss) : loss;
      }
      state.dispose();
      for (const value of [...Object.values(parameters), ...Object.values(given)]) value.dispose();
      return total.mul(-1 / counted);
    };

    /** Loss, gradients, clipping and Adam; `correct1` and `correct2` undo the bias of the moments. */
    const update = jit((parameters, first, second, given, correct1, correct2) => {
      const [loss, gradients] = valueAndGrad(lossOf)(
        map(parameters, (p) => p.ref),
        given,
      );
      const squares = Object.values(gradients).map((g) => np.sum(np.square(g.ref)));
      const length = np.sqrt(squares.reduce((sum, square) => sum.add(square)));
      const factor = np.minimum(np.array(clip).div(length.add(1e-6)), 1);
      const clipped = map(gradients, (g) => g.mul(factor.ref));
      factor.dispose();
      const m = map(first, (value, name) => value.mul(0.9).add(clipped[name].ref.mul(0.1)));
      const v = map(second, (value, name) =>
        value.mul(0.999).add(np.square(clipped[name]).mul(0.001)),
      );
      const next = map(parameters, (value, name) => {
        const scale = np.sqrt(v[name].ref.mul(correct2.ref)).add(1e-8);
        return value.sub(m[name].ref.mul(correct1.ref).div(scale).mul(learningRate));
      });
      correct1.dispose();
      correct2.dispose();
      return [loss, next, m, v];
    });

    let parameters = {};
    for (const { name, shape, data } of request.parameters) parameters[name] = array(data, shape);
    let first = map(parameters, (value) => np.zeros(value.shape));
    let second = map(parameters, (value) => np.zeros(value.shape));
    let steps = 0;
    return {
      step() {
        steps++;
        let loss;
        [loss, parameters, first, second] = update(
          parameters,
          first,
          second,
          map(constants, (value) => value.ref),
          np.array(1 / (1 - 0.9 ** steps)),
          np.array(1 / (1 - 0.999 ** steps)),
        );
        return loss;
      },
    };
  };
