import type { RequestListener } from 'node:http';

export function serveFiles(
  fileOf: (path: string) => string,
  headers?: Readonly<Record<string, string>>,
): RequestListener;
