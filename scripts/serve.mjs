/** Serves local files over HTTP, to try pages on this machine. */
import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';

const types = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
};

/**
 * Returns a request listener that responds with the file `fileOf(path)` and with `headers`. The
 * path of the URL never contains '..'.
 */
export function serveFiles(fileOf, headers = {}) {
  return async ({ url = '/' }, response) => {
    const { pathname } = new URL(url, 'http://localhost');
    const file = fileOf(pathname);
    const bytes = await readFile(file).catch(() => undefined);
    const type = types[extname(file)] ?? 'application/octet-stream';
    response.writeHead(bytes || pathname === '/favicon.ico' ? 200 : 404, {
      'content-type': bytes ? type : 'text/plain',
      ...headers,
    });
    response.end(bytes);
  };
}
