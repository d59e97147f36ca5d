/**
 * Kernels in the form that gpu.js expects. Each is one native function, since only those can sample
 * textures by index, use integers, and have several outputs.
 */
import { inputNames, type KernelText, toGlsl } from './text.js';

/** The part of gpu.js that we use; its own types are outdated. */
export interface GpuJs {
  GPU: new (settings: {
    mode: 'webgl2';
    canvas: { width: number; height: number };
    context: WebGL2RenderingContext;
  }) => Gpu;
  Texture: new (settings: object) => GpuJsTexture;
}
export interface Gpu {
  createKernel(source: string, settings: object): KernelFunction;
  createKernelMap(parts: Record<string, string>, source: string, settings: object): KernelFunction;
}
export interface GpuJsTexture {
  texture: WebGLTexture;
  readonly context: WebGL2RenderingContext;
  /** Called before gpu.js draws into the texture; returns true if it has replaced it. */
  beforeMutate(): boolean;
}
interface KernelFunction {
  (...inputs: (GpuJsTexture | number)[]): unknown;
  addNativeFunction(name: string, source: string, settings: { returnType: string }): void;
  build(...inputs: (GpuJsTexture | number)[]): void;
  destroy(): void;
  kernel: { texture: GpuJsTexture; mappedTextures?: GpuJsTexture[] | null };
}

/** A compiled kernel. */
export interface Compiled {
  run: KernelFunction;
  /** The textures into which gpu.js will draw. */
  targets: GpuJsTexture[];
}

/** A texture is 2^shift texels wide. */
export interface Layout {
  shift: number;
  width: number;
  height: number;
}

/**
 * The layout of `texels` texels: nearly square, and more than one row where possible, since gpu.js
 * would change the layout of a single row.
 */
export function layoutOf(texels: number): Layout {
  const shift = texels <= 2 ? 0 : Math.ceil(Math.log2(texels) / 2);
  const width = 2 ** shift;
  return { shift, width, height: Math.max(1, Math.ceil(texels / width)) };
}

/** A kernel for textures of certain layouts. */
export interface Program extends KernelText {
  /** The body in GLSL. Programs with one body and one size are the same. */
  readonly body: string;
  readonly width: number;
  readonly height: number;
}

export function programOf(
  text: KernelText,
  inputs: readonly Layout[],
  { shift, width, height }: Layout,
): Program {
  const samplers = inputs.map((layout, i) => sampler(inputNames[i], layout));
  const body = `vec4 body(float zero);
    ${toGlsl(text, samplers.join('\n'), 'user_')}
    vec4 body(float zero) { return compute((int(gl_FragCoord.y) << ${shift}) | int(gl_FragCoord.x)); }
    ${partsOf(text)
      .map((part, i) => `vec4 ${part}_of(float zero) { return more${i + 1}; }`)
      .join('\n')}`;
  return { ...text, body, width, height };
}

/** The names of the outputs after the first. */
function partsOf({ outputs }: KernelText): string[] {
  return Array.from({ length: outputs - 1 }, (_, i) => `part${i + 1}`);
}

/**
 * Compiles a program; `args` are the arguments of its first call. gpu.js would make a new texture
 * for each result; instead, `take` provides the texture of each output before each draw. `none`
 * replaces textures that gpu.js must not keep.
 */
export function compile(
  gpu: Gpu,
  program: Program,
  args: readonly (GpuJsTexture | number)[],
  { take, none }: { take: () => WebGLTexture; none: WebGLTexture },
): Compiled {
  const { body, width, height } = program;
  const names = inputNames.slice(0, program.inputs);
  const numbers = Array.from({ length: program.numbers }, (_, i) => `number${i}`);
  const parts = partsOf(program);
  // A string: gpu.js parses the source of kernels, which a minifier would change.
  const source = `function(${[...names, ...numbers]}) {
    const first = body(0);
    ${parts.map((part) => `${part}();`).join(' ')}
    return first;
  }`;
  const settings = {
    output: [width, height],
    returnType: 'Array(4)',
    precision: 'single',
    tactic: 'precision', // otherwise gpu.js declares everything lowp
    pipeline: true,
    immutable: true,
  };
  const partSources = Object.fromEntries(
    parts.map((part) => [part, `function ${part}() { return ${part}_of(0); }`]),
  );
  const kernel =
    parts.length === 0
      ? gpu.createKernel(source, settings)
      : gpu.createKernelMap(partSources, source, settings);
  const native = { returnType: 'Array(4)' };
  for (const part of parts) {
    kernel.addNativeFunction(`${part}_of`, `vec4 ${part}_of(float zero);`, native);
  }
  kernel.addNativeFunction('body', body, native);
  kernel.build(...args);
  const targets = [kernel.kernel.texture, ...(kernel.kernel.mappedTextures ?? [])];
  for (const target of targets) {
    target.context.deleteTexture(target.texture);
    target.texture = none;
    target.beforeMutate = () => {
      target.texture = take();
      return true;
    };
  }
  return { run: kernel, targets };
}

/**
 * Returns the functions that read an input. A cursor is the texel's index divided by the width of
 * the texture. It is a float, since texture coordinates then need no conversion, and exact up to
 * 2^24 texels. `texture` is faster than `texelFetch` where robust access checks each index.
 */
function sampler(name: string, { width, height }: Layout): string {
  const [w, h] = [width, height].map((length) => (1 / length).toExponential(9));
  return `float ${name}_cursor(int i) { return float(i) * ${w}; }
  vec4 ${name}_read(float f) {
    return texture(user_${name}, vec2(fract(f) + 0.5 * ${w}, (floor(f) + 0.5) * ${h}));
  }
  vec4 ${name}_at(int i) { return ${name}_read(${name}_cursor(i)); }`;
}
