/** The Euclidean norms of groups of buffers, and the factor that clips gradients by them. */
import type { DeviceBuffer, Kernels } from '../../backend.js';
import { type Runner, texelsOf } from '../runner.js';
import { inputNames } from '../text.js';
import { store } from './views.js';

/**
 * A norm is one texel: a unit, and the sum of the squares of what the unit divides. No square
 * overflows, since units are the largest values. `joined` is the norm of two norms.
 */
const joinedText = `fn unit_of(most: f32) -> f32 { return select(most, 1.0, is_zero(most) || !is_finite(most)); }
fn rescaled(sum: f32, unit: f32, by: f32) -> f32 {
  let ratio: f32 = unit / by;
  return select(sum * ratio * ratio, 0.0, is_zero(sum));
}
fn joined(s: vec4f, n: vec4f) -> vec4f {
  let most: f32 = unit_of(larger(select(s.x, 0.0, is_zero(s.y)), select(n.x, 0.0, is_zero(n.y))));
  return vec4f(most, rescaled(s.y, s.x, most) + rescaled(n.y, n.x, most), 0.0, 0.0);
}
`;

/** The norm of each `chunk` texels of each of the inputs, which have `sizes` values. */
function partsText(sizes: readonly number[], chunk: number): string {
  let first = 0;
  const parts = sizes.map((size, i) => {
    const name = inputNames[i];
    const texels = texelsOf('float32', size);
    const lanes = ['x', 'y', 'z', 'w'].map((lane, j) =>
      size % 4 === 0 ? `v.${lane}` : `select(0.0, v.${lane}, i * 4 + ${j} < ${size})`,
    );
    const from = first;
    first += Math.ceil(texels / chunk);
    return {
      text: `fn ${name}_sizes(i: i32) -> vec4f { let v: vec4f = abs(${name}_at(i)); return vec4f(${lanes}); }
fn ${name}_part(start: i32) -> vec4f {
  let end: i32 = select(${texels}, start + ${chunk}, start + ${chunk} < ${texels});
  var most: f32 = 0.0;
  for (var i: i32 = start; i < end; i++) { let v: vec4f = ${name}_sizes(i); most = larger(most, larger(larger(v.x, v.y), larger(v.z, v.w))); }
  let unit: f32 = unit_of(most);
  var sum: f32 = 0.0;
  for (var i: i32 = start; i < end; i++) { let v: vec4f = ${name}_sizes(i) / unit; sum += dot(v, v); }
  return vec4f(unit, sum, 0.0, 0.0);
}
`,
      branch: `  if (t < ${first}) { return ${name}_part((t - ${from}) * ${chunk}); }`,
    };
  });
  return `${joinedText}${parts.map(({ text }) => text).join('')}fn compute(t: i32) -> vec4f {
${parts.map(({ branch }) => branch).join('\n')}
  return vec4f(1.0, 0.0, 0.0, 0.0);
}`;
}

/** Where the parts of a group lie in a block of parts. */
interface Span {
  readonly group: number;
  readonly start: number;
  readonly end: number;
}

/** The norm of each group's parts in the inputs; `onto` those in input `a`, if there are earlier ones. */
function groupsText(blocks: readonly (readonly Span[])[], onto: boolean): string {
  const names = inputNames.slice(onto ? 1 : 0);
  const loops = blocks.map((spans, i) => {
    const limits = spans.map(
      ({ group, start, end }) => `  if (t == ${group}) { i = ${start}; end = ${end}; }`,
    );
    return `  i = 0;
  end = 0;
${limits.join('\n')}
  for (; i < end; i++) { norm = joined(norm, ${names[i]}_at(i)); }`;
  });
  return `${joinedText}fn compute(t: i32) -> vec4f {
  var norm: vec4f = ${onto ? 'a_at(t)' : 'vec4f(1.0, 0.0, 0.0, 0.0)'};
  var i: i32 = 0;
  var end: i32 = 0;
${loops.join('\n')}
  return norm;
}`;
}

const element = (lane: string) => `norm_of(t * 4 + ${lane})`;
const rootsText = `fn norm_of(i: i32) -> f32 { let s: vec4f = a_at(i); return sqrt(s.y) * s.x; }
fn compute(t: i32) -> vec4f {
${store('float32', element)}
}`;

/** The factor that limits to the norm number1: `a` is the loss and the norms of number0 layers. */
const clipText = (isLimited: boolean) => `fn compute(t: i32) -> vec4f {
  let layers: i32 = i32(number0);
  var most: f32 = 0.0;
  for (var i: i32 = 1; i <= layers; i++) { most = larger(most, a_value(i)); }
  var factor: f32 = not_a_number();
  if (is_finite(a_value(0)) && is_finite(most)) {
    let unit: f32 = select(most, 1.0, is_zero(most));
    var sum: f32 = 0.0;
    for (var i: i32 = 1; i <= layers; i++) { let ratio: f32 = a_value(i) / unit; sum += ratio * ratio; }
    let norm: f32 = sqrt(sum) * unit;
    if (is_finite(norm)) {
      let limit: f32 = ${isLimited ? 'number1 / (norm + 1.0e-6)' : '1.0'};
      factor = select(1.0, limit, limit < 1.0 && !is_nan(limit));
    }
  }
  return vec4f(factor, 0.0, 0.0, 0.0);
}`;

export function normKernels(runner: Runner): Pick<Kernels, 'norm' | 'clipFactor'> {
  return {
    norm(tensors, counts) {
      const groups = counts.flatMap((count, group) => Array<number>(count).fill(group));
      const full = tensors
        .map((tensor, i) => ({
          tensor,
          group: groups[i],
          texels: texelsOf('float32', tensor.size),
        }))
        .filter(({ texels }) => texels > 0);
      if (full.length === 0) return [runner.fill(0, counts.length, 'float32')];
      // As many steps in a part as there are parts.
      const total = full.reduce((sum, { texels }) => sum + texels, 0);
      const chunk = Math.max(16, Math.ceil(Math.sqrt(total)));
      const used: DeviceBuffer[] = [];
      const blocks: { buffer: DeviceBuffer; spans: Span[] }[] = [];
      const run = (...args: Parameters<Runner['run']>) => {
        const buffer = runner.run(...args);
        used.push(buffer);
        return buffer;
      };
      return runner.using(used, () => {
        for (let next = 0; next < full.length; next += inputNames.length) {
          const some = full.slice(next, next + inputNames.length);
          const sizes = some.map(({ tensor }) => tensor.size);
          const spans: Span[] = [];
          let end = 0;
          for (const { group, texels } of some) {
            const start = end;
            end += Math.ceil(texels / chunk);
            const last = spans[spans.length - 1];
            if (last?.group === group) spans[spans.length - 1] = { ...last, end };
            else spans.push({ group, start, end });
          }
          const inputs = some.map(({ tensor }) => tensor);
          const make = () => partsText(sizes, chunk);
          const buffer = run(`norm parts ${sizes} ${chunk}`, make, inputs, 'float32', 4 * end);
          blocks.push({ buffer, spans });
        }
        let norms: DeviceBuffer | undefined;
        for (let next = 0; next < blocks.length; ) {
          const earlier = norms ? [norms] : [];
          const some = blocks.slice(next, next + inputNames.length - earlier.length);
          next += some.length;
          const spans = some.map((block) => block.spans);
          const text = () => groupsText(spans, earlier.length > 0);
          const key = `norms ${earlier.length} ${JSON.stringify(spans.map((each) => each.map(Object.values)))}`;
          const inputs = [...earlier, ...some.map(({ buffer }) => buffer)];
          norms = run(key, text, inputs, 'float32', 4 * counts.length);
        }
        const inputs = [norms as DeviceBuffer];
        return [runner.run('norm roots', () => rootsText, inputs, 'float32', counts.length)];
      });
    },
    clipFactor([numbers], [layers, clip]) {
      const isLimited = Number.isFinite(clip);
      const limits = isLimited ? [layers, clip] : [layers];
      const make = () => clipText(isLimited);
      return [runner.run(`clip ${isLimited}`, make, [numbers], 'float32', 1, limits)];
    },
  };
}
