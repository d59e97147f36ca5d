/** WebGPU in this process: Dawn, from the package `webgpu`, on the machine's adapter or on SwiftShader. */
import { existsSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { findBrowser, installVulkan } from '../browser/find.js';

/** Where Debian's chromium keeps its software Vulkan. */
const DEBIAN = '/usr/lib/chromium/vk_swiftshader_icd.json';

/**
 * SwiftShader takes a second to compile each kernel with 16 kB of workgroup memory where the driver
 * clears it, and some milliseconds where Dawn's text does.
 */
const OPTIONS = ['disable-dawn-features=use_vulkan_zero_initialize_workgroup_memory_extension'];

/**
 * The package webgpu polls for results by `setImmediate`, which takes a whole core from SwiftShader
 * while that computes. This polls once a millisecond.
 */
const pollSeldom = 'globalThis.setImmediate = (call) => setTimeout(call, 1);';
/** The same for a process that is started, in its NODE_OPTIONS. */
export const POLL_SELDOM = `--import=data:text/javascript,${encodeURIComponent(pollSeldom)}`;

let found: Promise<GPU> | undefined;

/** Returns Dawn, which is also `navigator.gpu` from now on, with WebGPU's classes as globals. Throws, with what is missing, where it has no adapter. */
export async function dawn(): Promise<GPU> {
  found ??= find();
  const gpu = await found;
  Object.defineProperty(globalThis, 'navigator', { value: { gpu }, configurable: true });
  return gpu;
}

async function find(): Promise<GPU> {
  installVulkan();
  new Function(pollSeldom)();
  // By a variable, since the types of the package would replace those of the DOM.
  const name = 'webgpu';
  const { create, globals }: { create(options: string[]): GPU; globals: object } = await import(
    name
  );
  Object.assign(globalThis, globals);
  const own = create(OPTIONS);
  if (await own.requestAdapter()) return own;
  const beside = join(dirname(realpathSync(findBrowser())), 'vk_swiftshader_icd.json');
  process.env.VK_DRIVER_FILES = [beside, DEBIAN].find(existsSync);
  const gpu = create(OPTIONS);
  if (await gpu.requestAdapter()) return gpu;
  throw new Error(
    'Dawn finds no adapter, neither of this machine nor SwiftShader of the browser; it needs the Vulkan loader (on Debian: apt-get install libvulkan1)',
  );
}
