/** A page in a headless browser, served from this machine. */
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Browser, chromium, type Page } from 'playwright-core';
import type { Chunk } from '../bundle.js';
import { findBrowser } from './find.js';

const policy = (...scripts: string[]) =>
  `default-src 'none'; script-src 'self' 'wasm-unsafe-eval' ${scripts.join(' ')}; connect-src 'self'`;
/** No functions from text, nothing from elsewhere. */
export const STRICT = policy();
/** For the cpu backend, which builds functions from text. */
export const WITH_EVAL = policy("'unsafe-eval'");
/** For threads, whose workers run text of the library. */
export const WITH_WORKERS = `${STRICT}; worker-src blob:`;
/** The headers with which a page may share memory. */
export const ISOLATED = {
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-embedder-policy': 'require-corp',
};

/** What a page came to. */
export interface Visit<T = unknown> {
  readonly result: T;
  /** Errors in the console, exceptions that nobody caught, and requests that failed. */
  readonly problems: readonly string[];
  readonly version: string;
}

const MINUTE = 60_000;

/** What computes WebGL and WebGPU: SwiftShader, on the processor; or the machine's own GPU, for benchmarks. */
export type Adapter = 'swiftshader' | 'own';

const flags: Record<Adapter | 'none', readonly string[]> = {
  none: ['--disable-gpu', '--disable-software-rasterizer'], // which would be WebGL on the processor
  swiftshader: [
    '--use-angle=swiftshader',
    '--enable-unsafe-swiftshader',
    '--enable-unsafe-webgpu',
    '--use-webgpu-adapter=swiftshader',
    '--disable-dawn-features=use_vulkan_zero_initialize_workgroup_memory_extension', // compiles faster
    // Kernels are compiled once each and never stored, nor compiled ahead for a state that is guessed.
    '--disable-gpu-program-cache',
    '--disable-gpu-shader-disk-cache',
    '--disable-angle-features=warmUpPipelineCacheAtLink',
  ],
  // A headless browser on Linux uses the GPU through Vulkan only, and without a window to draw into.
  own: [
    '--ignore-gpu-blocklist',
    '--enable-gpu',
    '--enable-unsafe-webgpu',
    ...(process.platform === 'linux'
      ? ['--use-angle=vulkan', '--enable-features=Vulkan', '--disable-vulkan-surface']
      : []),
  ],
};

export interface VisitOptions {
  headers?: Record<string, string>;
  gpu?: boolean | Adapter;
  minutes?: number;
}

/**
 * Opens a page that loads `chunks` as a module under `policy`; the result is what the `main` that
 * the module exports gives for `argument`. The page comes with `headers` too; with `gpu` it has
 * WebGL and WebGPU, on SwiftShader where it is `true`. Rejects after `minutes`.
 */
export function visit(
  chunks: readonly Chunk[],
  policy: string,
  argument: unknown = undefined,
  { headers = {}, gpu = false, minutes = 4 }: VisitOptions = {},
): Promise<Visit> {
  const use = (page: Page) => callMain(page, argument);
  return open(serve(chunks, policy, headers), use, gpu, minutes);
}

/** A page that stays open. */
export interface Stay {
  /** Returns what the `main` of its module returns for `argument`. Rejects after 4 minutes. */
  call(argument: unknown): Promise<unknown>;
  /** Closes the page, and returns the problems that it had. */
  close(): Promise<readonly string[]>;
}

/** Opens a page like `visit` and keeps it open, so later calls find their kernels compiled. */
export async function stay(
  chunks: readonly Chunk[],
  policy: string,
  { headers = {}, gpu = false }: Omit<VisitOptions, 'minutes'> = {},
): Promise<Stay> {
  let leave = () => {};
  const left = new Promise<void>((resolve) => {
    leave = resolve;
  });
  let visited: Promise<Visit> | undefined;
  const page = await new Promise<Page>((resolve, reject) => {
    const use = (page: Page) => {
      resolve(page);
      return left;
    };
    visited = open(serve(chunks, policy, headers), use, gpu, 120);
    visited.catch(reject);
  });
  return {
    call: (argument) => within(4 * MINUTE, callMain(page, argument)),
    async close() {
      leave();
      return (await visited)?.problems ?? [];
    },
  };
}

/** Calls the `main` of the module that the page was opened for. */
function callMain(page: Page, argument: unknown): Promise<unknown> {
  return page.evaluate(async (value) => {
    const entry = '/entry.js';
    const module: { main(value: unknown): Promise<unknown> } = await import(entry);
    return module.main(value);
  }, argument);
}

/** Answers with an empty page under `policy`, and with `chunks`. */
function serve(
  chunks: readonly Chunk[],
  policy: string,
  headers: Record<string, string>,
): RequestListener {
  return ({ url }, response) => {
    const chunk = chunks.find(({ name }) => url === `/${name}`);
    const page = url === '/';
    const isWasm = chunk?.name.endsWith('.wasm');
    const type = page ? 'text/html' : isWasm ? 'application/wasm' : 'text/javascript';
    response.writeHead(page || chunk || url === '/favicon.ico' ? 200 : 404, {
      'content-type': type,
      'content-security-policy': policy,
      ...headers,
    });
    response.end(page ? '<!doctype html><title>memgrad</title>' : chunk?.bytes);
  };
}

/**
 * Opens the page at `path` of a server that answers by `answer`, with a storage of its own, and does
 * with it what `use` says. The page is closed again, whatever happens.
 */
export async function open<T>(
  answer: RequestListener,
  use: (page: Page) => Promise<T>,
  gpu: boolean | Adapter = false,
  minutes = 4,
  path = '/',
): Promise<Visit<T>> {
  const opened = await openPage(answer, gpu);
  try {
    return await visitPage(opened, path, use, minutes);
  } finally {
    await opened.close();
  }
}

/** A page in a context of its own. */
export interface Opened {
  readonly page: Page;
  /** The address of its server. */
  readonly origin: string;
  /** Its problems since the last visit began. */
  readonly problems: string[];
  close(): Promise<void>;
}

/** Starts a server that answers by `answer`, and opens an empty page for it. */
export async function openPage(
  answer: RequestListener,
  gpu: boolean | Adapter = false,
): Promise<Opened> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const browser = await sharedBrowser(gpu === true ? 'swiftshader' : gpu || 'none');
  const context = await browser.newContext();
  const page = await context.newPage();
  page.setDefaultTimeout(2 * MINUTE); // a machine may be slow and busy
  const problems: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error') problems.push(message.text());
  });
  page.on('pageerror', (error) => problems.push(String(error)));
  page.on('requestfailed', (request) => problems.push(`${request.url()} failed`));
  server.unref(); // a page that stays open doesn't keep the process
  const { port } = server.address() as AddressInfo;
  return {
    page,
    origin: `http://127.0.0.1:${port}`,
    problems,
    async close() {
      await context.close();
      server.close();
      server.closeAllConnections();
    },
  };
}

/** Goes to `path` of an opened page, and does with it what `use` says. */
export async function visitPage<T>(
  { page, origin, problems }: Opened,
  path: string,
  use: (page: Page) => Promise<T>,
  minutes = 4,
): Promise<Visit<T>> {
  problems.length = 0;
  try {
    await page.goto(`${origin}${path}`);
    const result = await within(minutes * MINUTE, use(page));
    const version = page.context().browser()?.version() ?? '';
    return { result, problems: [...problems], version };
  } catch (error) {
    throw new Error([String(error), ...problems].join('\n'));
  }
}

/** The browsers of this process; scripts/test-files.mjs closes them. */
const shared = globalThis as { browsers?: Map<string, Browser> };

/** The browser of this process with that adapter, started when it is first asked for, or when it has crashed. */
async function sharedBrowser(adapter: Adapter | 'none'): Promise<Browser> {
  shared.browsers ??= new Map();
  const running = shared.browsers.get(adapter);
  if (running?.isConnected()) return running;
  const browser = await chromium.launch({
    executablePath: findBrowser({ windows: adapter === 'own' }), // the other can't use a GPU
    headless: true,
    timeout: MINUTE,
    args: [
      ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
      ...flags[adapter],
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
  shared.browsers.set(adapter, browser);
  return browser;
}

async function within<T>(milliseconds: number, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`the page took more than ${milliseconds / 1000} s`)),
      milliseconds,
    );
  });
  promise.catch(() => {}); // when it fails after all, because the browser was closed
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
