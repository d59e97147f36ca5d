/** Files of this machine over HTTP, for pages that are tried here. */
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
 * A listener that answers with the file that `fileOf` names for a path of the address, which has no
 * '..' in it, and with `headers`.
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
