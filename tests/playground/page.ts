/** The built playground in a headless browser. */
import { join, resolve } from 'node:path';
import type { Page } from 'playwright-core';
import { serveFiles } from '../../scripts/serve.mjs';
import { open, type Visit } from '../browser/browser.js';

/** scripts/test.mjs builds it. */
const folder = resolve('build/playground');

/** Opens the playground at `address`, served with `headers`, and does with it what `use` says; with `gpu` the browser has WebGL and WebGPU. */
export function openPlayground<T>(
  use: (page: Page) => Promise<T>,
  {
    address = '',
    headers = {},
    gpu = false,
  }: { address?: string; headers?: Record<string, string>; gpu?: boolean } = {},
): Promise<Visit<T>> {
  const fileOf = (path: string) => join(folder, path === '/' ? 'index.html' : path);
  const started = async (page: Page) => {
    await ready(page);
    return use(page);
  };
  return open(serveFiles(fileOf, headers), started, gpu, undefined, `/${address}`);
}

/** Goes to an address of the playground, and waits for its models. */
export async function show(page: Page, address: string): Promise<void> {
  await page.goto(new URL(`/${address}`, page.url()).href);
  await ready(page);
}

/** The Worker has made the models: training can start. */
async function ready(page: Page): Promise<void> {
  await page.locator('main[aria-busy="false"]').waitFor();
}

/** What the address says. */
export function addressOf(page: Page): Record<string, string> {
  return Object.fromEntries(new URL(page.url()).searchParams);
}

/** Waits until the address says so: it follows the page at the next frame. */
export async function settled(page: Page, says: (address: Record<string, string>) => boolean) {
  await page.waitForURL(({ searchParams }) => says(Object.fromEntries(searchParams)));
}
