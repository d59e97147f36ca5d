/**
 * WebGL2 through gpu.js, which compiles and runs the kernels. This file manages textures and reads
 * them.
 */
import { MemgradError } from '../../errors.js';
import { closed, full, tooLarge } from '../gpu/errors.js';
import { Pool } from '../gpu/pool.js';
import { type Block, Cache, type Device, MOST_KERNELS, POOLED_TEXELS } from './device.js';
import {
  type Compiled,
  compile,
  type Gpu,
  type GpuJs,
  type GpuJsTexture,
  layoutOf,
  type Program,
  programOf,
} from './gpujs.js';
import type { KernelText } from './text.js';

/** A block is a texture, wrapped for gpu.js. */
interface WebGLBlock extends Block {
  handle: GpuJsTexture;
}

export class WebGLDevice implements Device {
  readonly name = 'webgl';
  readonly mostTexels: number;
  readonly #gl: WebGL2RenderingContext;
  readonly #gpujs: GpuJs;
  readonly #gpu: Gpu;
  /** The program of each kernel and sizes of its textures. */
  readonly #programs = new Cache<Program>(MOST_KERNELS, () => {});
  /** Many programs are the same: those of a sum of two tensors depend on little of their shapes. */
  readonly #kernels = new Cache<Compiled>(MOST_KERNELS, ({ run }) => run.destroy());
  readonly #textures: Pool<WebGLTexture>;
  /** Replaces textures that gpu.js must not keep. */
  readonly #none: WebGLTexture;
  readonly #framebuffer: WebGLFramebuffer;

  #closed = false;

  /**
   * Keeps at most `pooledTexels` texels of freed textures for reuse. Throws where WebGL2 or
   * rendering to float32 is missing.
   */
  constructor(gpujs: GpuJs, pooledTexels = POOLED_TEXELS) {
    const canvas =
      typeof document === 'undefined'
        ? new OffscreenCanvas(2, 2)
        : document.createElement('canvas');
    const gl = canvas.getContext('webgl2', {
      alpha: false,
      depth: false,
      antialias: false,
      powerPreference: 'high-performance',
    }) as WebGL2RenderingContext | null;
    if (!gl) throw unfit('this browser provides no WebGL2 context');
    if (!gl.getExtension('EXT_color_buffer_float')) {
      throw unfit('this GPU cannot render to float32 textures (EXT_color_buffer_float)');
    }
    const format = gl.getShaderPrecisionFormat(gl.FRAGMENT_SHADER, gl.HIGH_FLOAT);
    if (!format || format.precision < 23 || format.rangeMax < 127) {
      throw unfit(`this GPU computes with ${format?.precision ?? 0} bits, but float32 needs 23`);
    }
    this.#gl = gl;
    this.#gpujs = gpujs;
    // Stub canvas: gpu.js resizes it to the largest output, and nothing is presented.
    this.#gpu = new gpujs.GPU({ mode: 'webgl2', canvas: { width: 0, height: 0 }, context: gl });
    const side = gl.getParameter(gl.MAX_TEXTURE_SIZE) as number;
    this.mostTexels = Math.min((2 ** Math.floor(Math.log2(side))) ** 2, 2 ** 24); // `sampler` of gpujs.ts
    this.#none = gl.createTexture();
    this.#framebuffer = gl.createFramebuffer();
    this.#textures = new Pool<WebGLTexture>(
      pooledTexels,
      (area) => this.#texture(area),
      (texture) => gl.deleteTexture(texture),
    );
  }

  upload(data: Float32Array, texels: number): Block {
    const gl = this.#gl;
    const block = this.#block(this.#take(texels), texels);
    const { width, height } = layoutOf(texels);
    const padded = new Float32Array(width * height * 4);
    padded.set(data);
    gl.activeTexture(gl.TEXTURE15); // a unit that no kernel uses
    gl.bindTexture(gl.TEXTURE_2D, block.handle.texture);
    gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, 0, width, height, gl.RGBA, gl.FLOAT, padded);
    return block;
  }

  async read(block: Block): Promise<Float32Array> {
    const gl = this.#gl;
    const { width, height } = layoutOf(block.texels);
    const values = new Float32Array(width * height * 4);
    const pixels = gl.createBuffer();
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.#framebuffer);
    const { texture } = (block as WebGLBlock).handle;
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, texture, 0);
    gl.bindBuffer(gl.PIXEL_PACK_BUFFER, pixels);
    gl.bufferData(gl.PIXEL_PACK_BUFFER, values.byteLength, gl.STREAM_READ);
    gl.readPixels(0, 0, width, height, gl.RGBA, gl.FLOAT, 0);
    gl.bindBuffer(gl.PIXEL_PACK_BUFFER, null);
    // Otherwise the texture would outlive its deletion.
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, null, 0);
    const fence = gl.fenceSync(gl.SYNC_GPU_COMMANDS_COMPLETE, 0);
    gl.flush();
    try {
      for (let tries = 0; ; tries++) {
        if (!fence || gl.isContextLost()) throw this.#lost();
        const status = gl.clientWaitSync(fence, 0, 0);
        if (status === gl.WAIT_FAILED) throw this.#lost();
        if (status !== gl.TIMEOUT_EXPIRED) break;
        // A tab in the background has a timer each second.
        const polls = tries < 20 || globalThis.document?.hidden;
        await (polls ? turn() : new Promise((resolve) => setTimeout(resolve, 1)));
      }
      // Reports any error since the last read; calling it earlier would wait for the GPU.
      const error = gl.getError();
      if (error === gl.CONTEXT_LOST_WEBGL) throw this.#lost();
      if (error === gl.OUT_OF_MEMORY) throw full(this.name);
      if (error !== gl.NO_ERROR) throw unfit(`the GPU's driver refused a kernel (error ${error})`);
      gl.bindBuffer(gl.PIXEL_PACK_BUFFER, pixels);
      gl.getBufferSubData(gl.PIXEL_PACK_BUFFER, 0, values);
      gl.bindBuffer(gl.PIXEL_PACK_BUFFER, null);
      return values;
    } finally {
      gl.deleteSync(fence);
      gl.deleteBuffer(pixels);
    }
  }

  free(block: Block): void {
    this.#textures.give(areaOf(block.texels), (block as WebGLBlock).handle.texture);
  }

  run(
    key: string,
    make: () => KernelText,
    inputs: readonly Block[],
    texels: number,
    numbers: readonly number[],
  ): Block[] {
    if (texels > this.mostTexels) throw tooLarge(this.name, 4 * texels, 4 * this.mostTexels);
    const id = `${key}|${inputs.map((input) => input.texels)}|${texels}`;
    const args = [...inputs.map((input) => (input as WebGLBlock).handle), ...numbers];
    try {
      const program = this.#programs.get(id, () =>
        programOf(
          make(),
          inputs.map((input) => layoutOf(input.texels)),
          layoutOf(texels),
        ),
      );
      const { width, height, body } = program;
      const { run, targets } = this.#kernels.get(`${width} ${height} ${body}`, () =>
        compile(this.#gpu, program, args, { take: () => this.#take(texels), none: this.#none }),
      );
      run(...args);
      return targets.map((target) => {
        const block = this.#block(target.texture, texels);
        target.texture = this.#none; // otherwise gpu.js would count and delete it
        return block;
      });
    } catch (cause) {
      if (this.#gl.isContextLost()) throw this.#lost();
      if (cause instanceof MemgradError) throw cause;
      throw new MemgradError(
        `webgl: the kernel '${key}' does not run on this GPU (${String(cause).split('\n')[0]}); use the backend 'wasm', and please report it.`,
        { cause },
      );
    }
  }

  counts() {
    return { blocks: this.#textures.made, kernels: this.#kernels.size };
  }

  close(): void {
    this.#closed = true;
    this.#gl.getExtension('WEBGL_lose_context')?.loseContext();
  }

  #take(texels: number): WebGLTexture {
    if (texels > this.mostTexels) throw tooLarge(this.name, 4 * texels, 4 * this.mostTexels);
    if (this.#gl.isContextLost()) throw this.#lost();
    return this.#textures.take(areaOf(texels));
  }

  #lost(): MemgradError {
    if (this.#closed) return closed(this.name);
    return new MemgradError(
      "webgl: the browser took the GPU away (the WebGL context is lost), so its values are lost; load the backend again, or continue from the last checkpoint on 'wasm'.",
    );
  }

  #texture(texels: number): WebGLTexture {
    const gl = this.#gl;
    const { width, height } = layoutOf(texels);
    const texture = gl.createTexture();
    gl.activeTexture(gl.TEXTURE15);
    gl.bindTexture(gl.TEXTURE_2D, texture);
    gl.texStorage2D(gl.TEXTURE_2D, 1, gl.RGBA32F, width, height);
    for (const name of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) {
      gl.texParameteri(gl.TEXTURE_2D, name, gl.NEAREST);
    }
    for (const name of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) {
      gl.texParameteri(gl.TEXTURE_2D, name, gl.CLAMP_TO_EDGE);
    }
    return texture;
  }

  #block(texture: WebGLTexture, texels: number): WebGLBlock {
    const { width, height } = layoutOf(texels);
    const size = [width, height];
    const handle = new this.#gpujs.Texture({
      texture,
      size,
      dimensions: [width, height, 1],
      output: size,
      context: this.#gl,
      kernel: this,
      type: 'ArrayTexture(4)',
    });
    return { texels, handle };
  }
}

/** The texels of the texture that holds `texels` texels; `layoutOf` has the same layout for both. */
function areaOf(texels: number): number {
  const { width, height } = layoutOf(texels);
  return width * height;
}

/** Yields to the event loop. A message channel takes less time than a timer. */
function turn(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(0);
  });
}

function unfit(reason: string): MemgradError {
  return new MemgradError(`webgl: ${reason}; use the backend 'wasm', which needs no GPU.`);
}
