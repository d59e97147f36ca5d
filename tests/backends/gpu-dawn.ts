/** WebGPU in Node: Dawn, from the package `webgpu`, on the machine's adapter or on SwiftShader. */
import { fork } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { visit, WITH_EVAL } from '../browser/browser.js';
import { findBrowser, installVulkan } from '../browser/find.js';
import type { Chunk } from '../bundle.js';

const MINUTE = 60_000;

/** Beside the chunks; waits for an argument, and sends the adapter, the result or the error. */
const child = `import { create, globals } from 'webgpu';
Object.assign(globalThis, globals);
Object.defineProperty(globalThis, 'navigator', { value: { gpu: create([]) }, configurable: true });
const send = (message) => process.send(message, () => process.exit(0));
process.once('message', async ({ entry, argument }) => {
  try {
    const adapter = await navigator.gpu.requestAdapter();
    if (!entry) return send({ result: adapter?.info.description || adapter?.info.vendor });
    const { main } = await import(entry);
    send({ result: await main(argument) });
  } catch (error) {
    send({ error: String(error?.stack ?? error) });
  }
});`;

/** Calls `main` of the chunks' entry in a Node process of its own, with Dawn as `navigator.gpu`. */
function call(chunks: readonly Chunk[], argument: unknown, env: NodeJS.ProcessEnv) {
  mkdirSync('build', { recursive: true });
  const folder = mkdtempSync(join('build', 'dawn-'));
  for (const { name, bytes } of chunks) writeFileSync(join(folder, name), bytes);
  const script = join(folder, 'child.mjs');
  writeFileSync(script, child);
  return new Promise((resolve, reject) => {
    const process = fork(script, [], {
      env: { ...globalThis.process.env, ...env },
      serialization: 'advanced',
      stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
      timeout: 9 * MINUTE,
    });
    let said = '';
    process.stderr?.on('data', (text) => {
      said += text;
    });
    process.on('message', ({ result, error }: { result?: unknown; error?: string }) =>
      error ? reject(new Error(error)) : resolve(result),
    );
    process.on('error', reject);
    process.on('exit', (code, signal) =>
      reject(new Error(`Node ended (${signal ?? code}): ${said}`)),
    );
    process.send({ entry: chunks.length > 0 ? './entry.js' : '', argument });
  }).finally(() => rmSync(folder, { recursive: true, force: true }));
}

/** Calls a bundle's `main` in Node, and the name of the adapter that it computes on. */
interface Dawn {
  readonly adapter: string;
  run(chunks: readonly Chunk[], argument: unknown): Promise<unknown>;
}

/** Dawn on the machine's own adapter, else on the SwiftShader that comes with the browser. Throws, with what is missing, where there is neither. */
async function findDawn(): Promise<Dawn> {
  installVulkan();
  for (const env of environments()) {
    const adapter = await call([], undefined, env);
    if (adapter) return { adapter: String(adapter), run: (...args) => call(...args, env) };
  }
  throw new Error(
    'Dawn finds no adapter, neither of this machine nor SwiftShader of the browser; it needs the Vulkan loader (on Debian: apt-get install libvulkan1)',
  );
}

/** Calls the bundle's `main` where there is WebGPU: in Node, or if there is none, which is said, on a page. */
export async function onWebGPU(
  chunks: readonly Chunk[],
): Promise<(argument: unknown) => Promise<unknown>> {
  try {
    const dawn = await findDawn();
    console.log(`webgpu in Node computes on ${dawn.adapter}`);
    return (argument) => dawn.run(chunks, argument);
  } catch (error) {
    console.log(`no webgpu in Node, these tests of it run in the browser (${error})`);
    return async (argument) =>
      (await visit(chunks, WITH_EVAL, argument, { gpu: true, minutes: 9 })).result;
  }
}

function* environments(): Iterable<NodeJS.ProcessEnv> {
  yield {};
  const swiftshader = join(dirname(realpathSync(findBrowser())), 'vk_swiftshader_icd.json');
  const found = [swiftshader, '/usr/lib/chromium/vk_swiftshader_icd.json'].find(existsSync);
  if (found) yield { VK_DRIVER_FILES: found };
}
