/**
 * The forward pass of the published RMT code once more, in plain loops over time-major arrays, as
 * tests/goldens describes it: nothing here is shared with src, so that it can judge every option.
 */

/** [rows][values]: one sequence. */
export type Rows = number[][];

export interface OracleConfig {
  nLayer: number;
  nHead: number;
  dModel: number;
  dHead: number;
  preNorm: boolean;
  absolute: boolean;
  memLen: number;
  numMemTokens: number;
  memAtEnd: boolean;
  readMemFromCache: boolean;
  sameLength: boolean;
  /** None when <= 0. */
  clampLen: number;
}

/** Parameters by the reference's names, as rows; vectors are one row. */
export type Weights = Record<string, Rows>;

export interface OracleOutput {
  logits: Rows;
  memory: Rows;
  cache: Rows[];
}

/** Reads one segment of one sequence. */
export function oracle(
  config: OracleConfig,
  weights: Weights,
  tokens: readonly number[],
  memory: Rows,
  cache: Rows[],
): OracleOutput {
  const { nLayer, dModel, memLen, numMemTokens: k, memAtEnd, clampLen } = config;
  const time = tokens.length;
  const embedded = tokens.map((token) =>
    weights['word_emb.emb_layers.0.weight'][token].map((x) => x * Math.sqrt(dModel)),
  );
  let h = [...memory, ...embedded, ...(memAtEnd ? memory : [])];
  const mlen = cache[0].length;
  const qlen = h.length;
  const klen = mlen + qlen;
  const table = Array.from({ length: klen }, (_, i) => {
    const distance = klen - 1 - i;
    return sinusoid(clampLen > 0 ? Math.min(distance, clampLen) : distance, dModel);
  });
  if (config.absolute) h = h.map((row, i) => plus(row, table[klen - qlen + i]));
  const blocked = mask(config, qlen, mlen);
  const hidden = [h];
  for (let l = 0; l < nLayer; l++) {
    h = layer(config, weights, l, h, cache[l], table, blocked);
    hidden.push(h);
  }
  const read = memAtEnd ? h.slice(k, k + time) : h.slice(qlen - time);
  const bias = weights['crit.out_layers.0.bias'][0];
  return {
    logits: read.map((row) =>
      weights['word_emb.emb_layers.0.weight'].map((word, i) => dot(word, row) + bias[i]),
    ),
    memory: k === 0 ? [] : memAtEnd ? h.slice(-k) : h.slice(0, k),
    cache: hidden.map((rows, l) => (memLen === 0 ? [] : [...cache[l], ...rows].slice(-memLen))),
  };
}

/** 1 where a query may not look at a key, by the rules of the torch code, in its order. */
function mask(
  { memLen, numMemTokens: k, memAtEnd, readMemFromCache, sameLength }: OracleConfig,
  qlen: number,
  mlen: number,
): number[][] {
  const klen = mlen + qlen;
  const rows = Array.from({ length: qlen }, (_, i) =>
    Array.from({ length: klen }, (_, j) => (j - i >= 1 + mlen ? 1 : 0)),
  );
  if (sameLength) {
    const maskLen = klen - memLen;
    const shift = maskLen > 0 ? qlen - maskLen : qlen;
    return rows.map((row, i) => row.map((value, j) => (j - i <= -shift ? 1 : value)));
  }
  const flag = readMemFromCache ? 0 : 1;
  for (let i = 0; i < k; i++) {
    for (let j = mlen; j < mlen + k; j++) rows[i][j] = 0;
    for (let j = 0; j < mlen; j++) rows[i][j] = flag;
  }
  if (memAtEnd) {
    for (let i = qlen - k; i < qlen; i++) {
      for (let j = klen - k; j < klen; j++) rows[i][j] = 0;
      for (let j = 0; j < mlen; j++) rows[i][j] = flag;
    }
  }
  return rows;
}

function layer(
  { nHead, dHead, preNorm, absolute }: OracleConfig,
  weights: Weights,
  l: number,
  h: Rows,
  cache: Rows,
  table: Rows,
  blocked: number[][],
): Rows {
  const w = (name: string) => weights[`layers.${l}.${name}`];
  const norm = (rows: Rows, name: string) =>
    rows.map((row) => layerNorm(row, w(`${name}.weight`)[0], w(`${name}.bias`)[0]));
  const width = nHead * dHead;
  const all = [...cache, ...h];
  const source = preNorm ? norm(all, 'dec_attn.layer_norm') : all;
  const projected = absolute
    ? [...w('dec_attn.q_net.weight'), ...w('dec_attn.kv_net.weight')]
    : w('dec_attn.qkv_net.weight');
  const part = (rows: Rows, p: number) => times(rows, projected.slice(p * width, (p + 1) * width));
  const q = part(source.slice(cache.length), 0);
  const key = part(source, 1);
  const v = part(source, 2);
  const r = absolute ? [] : times(table, w('dec_attn.r_net.weight'));
  const klen = all.length;
  const qlen = h.length;
  const mixed = h.map(() => new Array<number>(width).fill(0));
  for (let head = 0; head < nHead; head++) {
    const of = (row: number[]) => row.slice(head * dHead, (head + 1) * dHead);
    const u = absolute ? new Array(dHead).fill(0) : weights.r_w_bias[head];
    const vBias = absolute ? [] : weights.r_r_bias[head];
    const bd = absolute ? [] : q.map((row) => r.map((p) => dot(plus(of(row), vBias), of(p))));
    const shifted = (i: number, j: number): number => {
      if (absolute) return 0;
      const o = j - i - (klen - qlen);
      return o <= 0 ? bd[i][j + qlen - 1 - i] : o === 1 ? 0 : bd[i + 1][o - 2];
    };
    q.forEach((row, i) => {
      const scores = key.map((other, j) =>
        blocked[i][j]
          ? -Infinity
          : (dot(plus(of(row), u), of(other)) + shifted(i, j)) / Math.sqrt(dHead),
      );
      const largest = Math.max(...scores);
      const powers = scores.map((score) => Math.exp(score - largest));
      const total = powers.reduce((sum, x) => sum + x, 0);
      for (let d = 0; d < dHead; d++) {
        mixed[i][head * dHead + d] = powers.reduce(
          (sum, power, j) => sum + (power / total) * v[j][head * dHead + d],
          0,
        );
      }
    });
  }
  const attended = times(mixed, w('dec_attn.o_net.weight'));
  const sums = h.map((row, i) => plus(row, attended[i]));
  const x = preNorm ? sums : norm(sums, 'dec_attn.layer_norm');
  const inner = times(preNorm ? norm(x, 'pos_ff.layer_norm') : x, w('pos_ff.CoreNet.0.weight'));
  const active = inner.map((row) =>
    plus(row, w('pos_ff.CoreNet.0.bias')[0]).map((value) => Math.max(0, value)),
  );
  const outer = times(active, w('pos_ff.CoreNet.3.weight'));
  const result = x.map((row, i) => plus(plus(row, outer[i]), w('pos_ff.CoreNet.3.bias')[0]));
  return preNorm ? result : norm(result, 'pos_ff.layer_norm');
}

function sinusoid(position: number, d: number): number[] {
  const angles = Array.from({ length: d / 2 }, (_, i) => position * 10000 ** ((-2 * i) / d));
  return [...angles.map(Math.sin), ...angles.map(Math.cos)];
}

function layerNorm(row: number[], weight: number[], bias: number[]): number[] {
  const mean = row.reduce((sum, x) => sum + x, 0) / row.length;
  const variance = row.reduce((sum, x) => sum + (x - mean) ** 2, 0) / row.length;
  return row.map((x, i) => ((x - mean) / Math.sqrt(variance + 1e-5)) * weight[i] + bias[i]);
}

function times(rows: Rows, weight: Rows): Rows {
  return rows.map((row) => weight.map((column) => dot(row, column)));
}

function dot(a: number[], b: number[]): number {
  return a.reduce((sum, x, i) => sum + x * b[i], 0);
}

function plus(a: number[], b: number[]): number[] {
  return a.map((x, i) => x + b[i]);
}
