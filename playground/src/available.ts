/**
 * Detects the backends that the browser seems to have, and their adapters. Whether they compute
 * correctly is checked when one is loaded.
 */
import type { Available } from './messages.js';

/** Software renderers, as browsers and drivers spell them. */
const SOFTWARE = /swiftshader|llvmpipe|softpipe|lavapipe|software|basic render|\bwarp\b/i;

export async function availableBackends(): Promise<Available[]> {
  const wasm: Available = { name: 'wasm', adapter: 'the processor', software: false };
  const gpus = await Promise.all([webgl(), webgpu().catch(() => undefined)]);
  return [wasm, ...gpus.flatMap((gpu) => gpu ?? [])];
}

function webgl(): Available | undefined {
  if (typeof OffscreenCanvas === 'undefined') return undefined;
  const context = new OffscreenCanvas(1, 1).getContext('webgl2');
  if (!context) return undefined;
  const unmasked = context.getExtension('WEBGL_debug_renderer_info');
  const adapter = String(
    context.getParameter(unmasked ? unmasked.UNMASKED_RENDERER_WEBGL : context.RENDERER),
  );
  context.getExtension('WEBGL_lose_context')?.loseContext(); // browsers limit their number
  return { name: 'webgl', adapter, software: SOFTWARE.test(adapter) };
}

async function webgpu(): Promise<Available | undefined> {
  // The same request as the backend's.
  const adapter = await navigator.gpu?.requestAdapter({ powerPreference: 'high-performance' });
  if (!adapter) return undefined;
  const { vendor, architecture, device, description, isFallbackAdapter } = adapter.info;
  const named = [description || [vendor, architecture, device].filter(Boolean).join(' ')];
  const text = named.find(Boolean) ?? 'an adapter that the browser does not name';
  const software = isFallbackAdapter || SOFTWARE.test([text, vendor, architecture].join(' '));
  return { name: 'webgpu', adapter: text, software };
}
