/** Finds a browser for tests, or installs one where it may. */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

const WHOLE = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
/** Chromium without windows: a page takes half the processor time. */
const LIGHT = 'chromium-headless-shell';
const HELP =
  'install Chromium or Chrome (on Debian: apt-get install chromium), or set CHROME_PATH to one.';

/**
 * Returns the path of Chromium or Chrome, with windows or without: CHROME_PATH, else one on the
 * PATH, else Debian's, installed now where this runs as root. Throws where there is none.
 */
export function findBrowser({ windows = false } = {}): string {
  const named = process.env.CHROME_PATH;
  if (named) {
    if (runs(named)) return named;
    throw new Error(`CHROME_PATH is ${named}, which is no program; ${HELP}`);
  }
  const names = windows ? WHOLE : [LIGHT, ...WHOLE];
  const found = onPath(names);
  if (found) return found;
  if (installed(names[0])) {
    const path = onPath(names);
    if (path) return path;
  }
  throw new Error(`no browser for the tests that need one: ${HELP}`);
}

function onPath(names: readonly string[]): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter).filter(Boolean);
  return names.flatMap((name) => folders.map((folder) => join(folder, name))).find(runs);
}

function runs(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Installs Debian's Vulkan loader where it is missing and this may: with it Dawn runs on the browser's SwiftShader. */
export function installVulkan(): void {
  const known = spawnSync('ldconfig', ['-p'], { encoding: 'utf8' }).stdout ?? '';
  if (!known.includes('libvulkan.so.1')) installed('libvulkan1');
}

/** Installs a package of Debian where this runs as root there; false elsewhere. Throws when apt-get fails. */
function installed(name: string): boolean {
  const debian = existsSync('/etc/debian_version') && existsSync('/usr/bin/apt-get');
  if (!debian || process.getuid?.() !== 0) return false;
  console.log(`the tests need ${name}: installing Debian's with apt-get`);
  aptGet('update');
  aptGet('install', '--yes', '--no-install-recommends', name);
  return true;
}

function aptGet(...args: string[]): void {
  const { status, error, stdout, stderr } = spawnSync('apt-get', ['-qq', ...args], {
    encoding: 'utf8',
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 2 ** 26,
  });
  if (status === 0) return;
  const said = error?.message ?? `${stdout}\n${stderr}`.trim().split('\n').slice(-5).join('\n');
  throw new Error(`apt-get ${args.join(' ')} failed:\n${said}\n${HELP}`);
}
