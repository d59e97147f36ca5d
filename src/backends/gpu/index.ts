/**
 * The GPU backends. One set of kernels, written in ./kernels, runs on WebGL2 through gpu.js and on
 * WebGPU; values stay on the GPU between operations and only `read` brings them back.
 *
 * float32 values are packed four to a texel, int32 values two (text.ts).
 */
import { MemgradError } from '../../errors.js';
import type {
  AdamSpec,
  Backend,
  BinaryKernel,
  DeviceBuffer,
  DType,
  FusedKernels,
  MatmulSpec,
  Piece,
  RandomWords,
  ReduceKernel,
  TypedArray,
  UnaryKernel,
  View,
} from '../backend.js';
import { sizeOf, stridesOf } from '../layout.js';
import type { Block, Device } from './device.js';
import { covers, piecesText, viewText } from './kernels/assemble.js';
import { binaryText, castText, resultOf, unaryText, whereText } from './kernels/elementwise.js';
import * as fusedText from './kernels/fused.js';
import { layOutText, tileRows, tilesOf, tilesText } from './kernels/matmul.js';
import { argmaxText, LONG, partSumsText, partsOf, reduceText } from './kernels/reduce.js';
import { gatherText, scatterAddText, uniformText } from './kernels/rows.js';
import { lanesOf } from './kernels/views.js';
import { inputNames } from './text.js';

/** A buffer on a GPU. One without values has no block, and no kernel sees it. */
interface GpuBuffer extends DeviceBuffer {
  block: Block | undefined;
}

export class GpuBackend implements Backend {
  readonly name: string;
  readonly dtypes: readonly DType[] = ['float32', 'int32'];
  readonly fused: Partial<FusedKernels>;
  readonly #device: Device;

  constructor(device: Device) {
    this.name = device.name;
    this.#device = device;
    this.fused = this.#fused();
  }

  /** Textures or buffers that exist on the GPU, and compiled kernels: they stay as many from step to step. */
  counts(): { blocks: number; kernels: number } {
    return this.#device.counts();
  }

  /** Gives the GPU back; a page has few contexts. What is on it cannot be read afterwards. */
  close(): void {
    this.#device.close();
  }

  upload(data: TypedArray): DeviceBuffer {
    const dtype = data instanceof Int32Array ? 'int32' : 'float32';
    const floats = dtype === 'int32' ? halvesOf(data as Int32Array) : (data as Float32Array);
    const block =
      data.length === 0 ? undefined : this.#device.upload(floats, texelsOf(dtype, data.length));
    return wrap(dtype, data.length, block);
  }

  async read(buffer: DeviceBuffer): Promise<TypedArray> {
    const { block, dtype, size } = buffer as GpuBuffer;
    const floats = block ? await this.#device.read(block) : new Float32Array();
    return dtype === 'int32' ? wholesOf(floats, size) : floats.slice(0, size);
  }

  free(buffer: DeviceBuffer): void {
    const own = buffer as GpuBuffer;
    if (own.block) this.#device.free(own.block);
    own.block = undefined;
  }

  fill(value: number, size: number, dtype: DType): DeviceBuffer {
    const whole = dtype === 'int32';
    const text = whole
      ? 'fn compute(t: i32) -> vec4f { return vec4f(number0, number1, number0, number1); }'
      : 'fn compute(t: i32) -> vec4f { return vec4f(number0, number0, number0, number0); }';
    return this.#run(`fill ${dtype}`, () => text, [], dtype, size, fillNumbers(value, dtype));
  }

  cast(x: DeviceBuffer, dtype: DType): DeviceBuffer {
    const make = () => castText(x.dtype, dtype, x.size);
    return this.#run(`cast ${x.dtype} ${dtype} ${x.size}`, make, [x], dtype, x.size);
  }

  unary(kernel: UnaryKernel, x: DeviceBuffer): DeviceBuffer {
    return this.#run(kernel, () => unaryText(kernel, x.size), [x], x.dtype, x.size);
  }

  binary(kernel: BinaryKernel, a: View, b: View): DeviceBuffer {
    const { dtype } = a.buffer;
    const key = `${kernel} ${dtype} ${a.shape} ${keyOf(a)} ${keyOf(b)}`;
    const make = () => binaryText(kernel, a, b);
    const inputs = [a.buffer, b.buffer];
    return this.#run(key, make, inputs, resultOf(kernel, dtype), sizeOf(a.shape));
  }

  where(condition: View, a: View, b: View): DeviceBuffer {
    const { dtype } = a.buffer;
    const key = `where ${dtype} ${a.shape} ${keyOf(condition)} ${keyOf(a)} ${keyOf(b)}`;
    const inputs = [condition.buffer, a.buffer, b.buffer];
    return this.#run(key, () => whereText(condition, a, b), inputs, dtype, sizeOf(a.shape));
  }

  reduce(kernel: ReduceKernel, x: View, kept: number): DeviceBuffer {
    const { dtype } = x.buffer;
    const rows = sizeOf(x.shape.slice(0, kept));
    const terms = sizeOf(x.shape.slice(kept));
    if (terms === 0) return this.fill(0, rows, dtype);
    const key = `${kernel} ${dtype} ${x.shape} ${keyOf(x)} ${kept}`;
    if (kernel === 'argmax') return this.#run(key, () => argmaxText(x), [x.buffer], 'int32', rows);
    const contiguous = x.offset === 0 && `${stridesOf(x.shape)}` === `${x.strides}`;
    if (kernel === 'sum' && dtype === 'float32' && contiguous && terms >= LONG) {
      const { parts } = partsOf(terms);
      const sums = this.#run(
        `parts ${terms}`,
        () => partSumsText(terms),
        [x.buffer],
        dtype,
        rows * parts,
      );
      const view = { buffer: sums, shape: [rows, parts], strides: [parts, 1], offset: 0 };
      return this.#using(sums, () => this.reduce('sum', view, 1));
    }
    return this.#run(key, () => reduceText(kernel, x, kept), [x.buffer], dtype, rows);
  }

  matmul(a: DeviceBuffer, b: DeviceBuffer, spec: MatmulSpec): DeviceBuffer {
    const { m, n, k } = spec;
    const size = sizeOf(spec.batch) * m * n;
    if (size === 0 || k === 0) return this.fill(0, size, a.dtype);
    const rows = tileRows(spec);
    const key = `matmul ${JSON.stringify(spec)}`;
    const tiles = this.#device.run(
      key,
      () => ({ text: tilesText(spec, rows), inputs: 2, numbers: 0, outputs: rows }),
      [blockOf(a), blockOf(b)],
      tilesOf(spec, rows),
      [],
    );
    if (rows === 1 && n % 4 === 0) return wrap('float32', size, tiles[0]);
    const buffers = tiles.map((block) => wrap('float32', block.texels * 4, block));
    const place = `tiles ${rows} ${sizeOf(spec.batch)} ${m} ${n}`;
    try {
      return this.#run(place, () => layOutText(spec, rows), buffers, 'float32', size);
    } finally {
      for (const buffer of buffers) this.free(buffer);
    }
  }

  assemble(
    shape: readonly number[],
    dtype: DType,
    fill: number,
    pieces: readonly Piece[],
  ): DeviceBuffer {
    const size = sizeOf(shape);
    const parts = pieces.filter(({ view }) => sizeOf(view.shape) > 0);
    if (parts.length === 0 || size === 0) return this.fill(fill, size, dtype);
    const describe = ({ view, at }: Piece) => `${at} ${view.shape} ${keyOf(view)}`;
    if (covers(shape, parts[0])) {
      const key = `view ${dtype} ${shape} ${describe(parts[0])}`;
      return this.#run(
        key,
        () => viewText(shape, dtype, parts[0]),
        [parts[0].view.buffer],
        dtype,
        size,
      );
    }
    let done: DeviceBuffer | undefined;
    for (let next = 0; next < parts.length; ) {
      const some = parts.slice(next, next + inputNames.length - 1);
      next += some.length;
      const before = done;
      const key = `assemble ${before !== undefined} ${dtype} ${shape} ${some.map(describe)}`;
      const inputs = some.map(({ view }) => view.buffer);
      done = this.#run(
        key,
        () => piecesText(shape, dtype, some, before !== undefined),
        before ? [before, ...inputs] : inputs,
        dtype,
        size,
        before ? [] : fillNumbers(fill, dtype),
      );
      if (before) this.free(before);
    }
    return done as DeviceBuffer;
  }

  gather(table: DeviceBuffer, indices: DeviceBuffer, width: number): DeviceBuffer {
    const { dtype } = table;
    const rows = width === 0 ? 0 : table.size / width;
    const size = indices.size * width;
    if (rows === 0) return this.fill(dtype === 'int32' ? 0 : NaN, size, dtype);
    const key = `gather ${dtype} ${rows} ${width}`;
    return this.#run(key, () => gatherText(dtype, rows, width), [table, indices], dtype, size);
  }

  scatterAdd(
    values: DeviceBuffer,
    indices: DeviceBuffer,
    rows: number,
    width: number,
  ): DeviceBuffer {
    const { dtype } = values;
    if (values.size === 0) return this.fill(0, rows * width, dtype);
    const key = `scatterAdd ${dtype} ${indices.size} ${width}`;
    const make = () => scatterAddText(dtype, indices.size, width);
    return this.#run(key, make, [values, indices], dtype, rows * width);
  }

  uniform({ hi, lo }: RandomWords, size: number): DeviceBuffer {
    const numbers = [hi, lo].flatMap((word) => [word >>> 16, word & 0xffff]);
    return this.#run('uniform', () => uniformText, [], 'float32', size, numbers);
  }

  #fused(): Partial<FusedKernels> {
    /** Two kernels: one texel for each row, then the elements by it. */
    const byRow = (
      rowsKey: string,
      rowsText: () => string,
      rowInputs: readonly DeviceBuffer[],
      width: number,
      run: (rows: DeviceBuffer) => DeviceBuffer,
    ) => {
      const rows = rowInputs[0].size / width;
      const shared = this.#run(`${rowsKey} ${width}`, rowsText, rowInputs, 'float32', rows * 4);
      return this.#using(shared, () => run(shared));
    };
    return {
      softmax: (x, mask, scale, width) => {
        if (x.size === 0) return this.fill(0, 0, 'float32');
        const maskRows = mask ? mask.size / width : 0;
        const masks = mask ? [mask] : [];
        const key = `${scale} ${maskRows}`;
        return byRow(
          `softmaxRows ${key}`,
          () => fusedText.softmaxRowsText(width, scale, maskRows),
          [x, ...masks],
          width,
          (rows) =>
            this.#run(
              `softmax ${key} ${width}`,
              () => fusedText.softmaxText(width, scale, maskRows),
              [x, rows, ...masks],
              'float32',
              x.size,
            ),
        );
      },
      softmaxGradient: (y, g, scale, width) => {
        if (y.size === 0) return this.fill(0, 0, 'float32');
        return byRow(
          'dotRows',
          () => fusedText.dotRowsText(width),
          [y, g],
          width,
          (rows) =>
            this.#run(
              `softmaxGradient ${scale} ${width}`,
              () => fusedText.softmaxGradientText(width, scale),
              [y, g, rows],
              'float32',
              y.size,
            ),
        );
      },
      normalize: (x, epsilon, width) => {
        if (x.size === 0) return this.fill(0, 0, 'float32');
        const rowsText = () => fusedText.momentRowsText(width, epsilon);
        return byRow(`momentRows ${epsilon}`, rowsText, [x], width, (rows) =>
          this.#run(
            `normalize ${width}`,
            () => fusedText.normalizeText(width),
            [x, rows],
            'float32',
            x.size,
          ),
        );
      },
      normalizeGradient: (x, g, epsilon, width) => {
        if (x.size === 0) return this.fill(0, 0, 'float32');
        const rowsText = () => fusedText.gradientRowsText(width, epsilon);
        return byRow(`gradientRows ${epsilon}`, rowsText, [x, g], width, (rows) =>
          this.#run(
            `normalizeGradient ${width}`,
            () => fusedText.normalizeGradientText(width),
            [x, g, rows],
            'float32',
            x.size,
          ),
        );
      },
      rotate: (x, cos, sin, sign, heads, width) => {
        const head = width / heads;
        const time = (cos.size * 2) / head;
        const make = () => fusedText.rotateText(head, heads, time, sign);
        const key = `rotate ${head} ${heads} ${time} ${sign}`;
        return this.#run(key, make, [x, cos, sin], 'float32', x.size);
      },
      adam: (p, g, m, v, spec) => this.#adam(p, g, m, v, spec),
    };
  }

  #adam(
    p: DeviceBuffer,
    g: DeviceBuffer,
    m: DeviceBuffer,
    v: DeviceBuffer,
    { beta1, beta2, rate, root, epsilon, shrink }: AdamSpec,
  ): [DeviceBuffer, DeviceBuffer, DeviceBuffer] {
    const step = (key: string, text: string, inputs: DeviceBuffer[], numbers: number[]) =>
      this.#run(key, () => text, inputs, 'float32', p.size, numbers);
    const first = step('first', fusedText.firstMomentText, [m, g], [beta1, 1 - beta1]);
    const second = step('second', fusedText.secondMomentText, [v, g], [beta2, 1 - beta2]);
    const numbers = [shrink, rate, root, epsilon];
    return [step('adam', fusedText.adamText, [p, first, second], numbers), first, second];
  }

  /** Runs the kernel of one output that `key` names; sizes of inputs and output need not be part of it. */
  #run(
    key: string,
    make: () => string,
    inputs: readonly DeviceBuffer[],
    dtype: DType,
    size: number,
    numbers: readonly number[] = [],
  ): DeviceBuffer {
    if (size === 0) return wrap(dtype, 0, undefined);
    const [block] = this.#device.run(
      key,
      () => ({
        text: make(),
        inputs: inputs.length,
        numbers: numbers.length,
        outputs: 1,
      }),
      inputs.map(blockOf),
      texelsOf(dtype, size),
      numbers,
    );
    return wrap(dtype, size, block);
  }

  /** What `run` gives; `buffer` is freed afterwards. */
  #using<T>(buffer: DeviceBuffer, run: () => T): T {
    try {
      return run();
    } finally {
      this.free(buffer);
    }
  }
}

function wrap(dtype: DType, size: number, block: Block | undefined): GpuBuffer {
  return { dtype, size, block };
}

function texelsOf(dtype: DType, size: number): number {
  return Math.ceil(size / lanesOf(dtype));
}

function blockOf(buffer: DeviceBuffer): Block {
  const { block } = buffer as GpuBuffer;
  if (!block) throw new MemgradError('gpu: a buffer was used after it had been freed.');
  return block;
}

/** What of a view is a constant in the text of a kernel, besides its shape. */
function keyOf({ buffer, strides, offset }: View): string {
  return `${buffer.dtype} ${strides} ${offset}`;
}

/** The numbers that a kernel fills with: the value, or the halves of an int32. */
function fillNumbers(value: number, dtype: DType): number[] {
  return dtype === 'int32' ? [value >> 16, value & 0xffff] : [value];
}

/** Each int32 as its upper and its lower half. */
function halvesOf(values: Int32Array): Float32Array {
  const halves = new Float32Array(2 * values.length);
  for (let i = 0; i < values.length; i++) {
    halves[2 * i] = values[i] >> 16;
    halves[2 * i + 1] = values[i] & 0xffff;
  }
  return halves;
}

function wholesOf(halves: Float32Array, size: number): Int32Array {
  return Int32Array.from({ length: size }, (_, i) => halves[2 * i] * 65536 + halves[2 * i + 1]);
}
