/** The built playground in a headless browser. */
import { join, resolve } from 'node:path';
import type { Page } from 'playwright-core';
import { serveFiles } from '../../scripts/serve.mjs';
import { type Opened, open, openPage, STRICT, type Visit, visitPage } from '../browser/browser.js';

/** scripts/test.mjs builds it. */
const folder = resolve('build/playground');

/** Nothing of the page or of the wasm path builds code from text. */
const policy = `${STRICT}; style-src 'self'; worker-src 'self'; img-src data:`;
/** The browser keeps the scripts, and then neither fetches nor parses them for each page. */
const caching = { 'cache-control': 'max-age=3600' };

/**
 * The page without a GPU, which tests use one after another: the state of the playground is its
 * address alone. A page for each test would take two seconds of processor time more.
 */
let kept: Opened | undefined;

/**
 * Opens the playground at `address`, and does with it what `use` says; with `gpu` it is a page of
 * its own that has WebGL and WebGPU, without the policy, which gpu.js would break.
 */
export async function openPlayground<T>(
  use: (page: Page) => Promise<T>,
  { address = '', gpu = false }: { address?: string; gpu?: boolean } = {},
): Promise<Visit<T>> {
  const fileOf = (path: string) => join(folder, path === '/' ? 'index.html' : path);
  const started = async (page: Page) => {
    await ready(page);
    return use(page);
  };
  if (gpu) return open(serveFiles(fileOf, caching), started, gpu, undefined, `/${address}`);
  kept ??= await openPage(serveFiles(fileOf, { ...caching, 'content-security-policy': policy }));
  const opened = kept;
  try {
    await opened.page.setViewportSize({ width: 1280, height: 720 });
    await opened.page.emulateMedia({ colorScheme: null, reducedMotion: null });
    return await visitPage(opened, `/${address}`, started);
  } catch (error) {
    kept = undefined; // the next test has another
    await opened.close();
    throw error;
  }
}

/** Goes to an address of the playground, and waits for its models. */
export async function show(page: Page, address: string): Promise<void> {
  await page.goto(new URL(`/${address}`, page.url()).href);
  await ready(page);
}

/** Goes to an address of the playground as the buttons Back and Forward do: the page stays, and follows. */
export async function follow(page: Page, address: string): Promise<void> {
  await page.evaluate(async (to) => {
    history.pushState(null, '', to);
    dispatchEvent(new PopStateEvent('popstate'));
    // The page is drawn in the next frame, and its effects run after that.
    for (let i = 0; i < 2; i++) await new Promise(requestAnimationFrame);
  }, `/${address}`);
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
