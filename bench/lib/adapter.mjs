/** Finds the adapter on which the engines compute over WebGPU in Node. */
import { spawnSync } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const file = fileURLToPath(import.meta.url);

/** Whether the adapter or renderer of this name is a GPU rather than a program. */
export function isHardware(name) {
  const programs = /swiftshader|llvmpipe|lavapipe|softpipe|software|basic render/i;
  return Boolean(name) && !programs.test(name);
}

/**
 * Returns the adapter's name, whether it is hardware, and the environment and Dawn's options that
 * select it. It is the machine's own; where that one is missing, or with `swiftshader`, it is
 * SwiftShader. Throws if there is neither.
 */
export function findAdapter(swiftshader) {
  const own = swiftshader ? undefined : adapterWith({});
  if (own) return own;
  const driver = softwareDriver();
  const software = driver && adapterWith({ VK_DRIVER_FILES: driver });
  if (software) return software;
  throw new Error(
    `gpu: Dawn finds no ${swiftshader ? 'SwiftShader' : 'adapter'}; it needs a driver for Vulkan, Metal or Direct3D 12, or SwiftShader (VK_DRIVER_FILES names its vk_swiftshader_icd.json, which Chromium brings), and on Linux the Vulkan loader (libvulkan1).`,
  );
}

/** Asks a process of its own, since Vulkan reads the environment once. */
function adapterWith(env) {
  const { status, stdout } = spawnSync(process.execPath, [file], {
    env: { ...process.env, ...env },
    encoding: 'utf8',
  });
  const name = status === 0 ? JSON.parse(stdout) : null;
  if (name === null) return undefined;
  const hardware = isHardware(name);
  // SwiftShader takes a second to compile each kernel with 16 kB of workgroup memory where the
  // driver clears it, and some milliseconds where Dawn's text does.
  const slow = 'disable-dawn-features=use_vulkan_zero_initialize_workgroup_memory_extension';
  return { name, hardware, env, options: hardware ? [] : [slow] };
}

/** The driver of SwiftShader: the one that is set, beside the browser that is set, or Debian's. */
function softwareDriver() {
  const { VK_DRIVER_FILES: set, CHROME_PATH: browser } = process.env;
  const name = 'vk_swiftshader_icd.json';
  const beside = browser && existsSync(browser) && join(dirname(realpathSync(browser)), name);
  const files = [set?.includes('swiftshader') && set, beside, `/usr/lib/chromium/${name}`];
  return files.find((path) => path && existsSync(path));
}

/** Prints the name of the adapter, or null. */
async function printName() {
  const { useDawn } = await import('./dawn.mjs');
  const adapter = await useDawn([]).requestAdapter({ powerPreference: 'high-performance' });
  const { vendor, architecture, device, description } = adapter?.info ?? {};
  const parts = [device, description, vendor, architecture].filter(Boolean);
  console.log(JSON.stringify(adapter ? parts.join(', ') : null));
  process.exit(0); // Dawn would keep the process alive
}

if (process.argv[1] === file) await printName();
