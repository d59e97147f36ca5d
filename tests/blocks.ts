import { readFileSync } from 'node:fs';

/** The blocks of JavaScript in a page. One marked `continues` goes on where the one before it ended. */
export function inPage(file: string): string[] {
  const blocks: string[] = [];
  for (const [, continues, code] of readFileSync(file, 'utf8').matchAll(
    /```(?:js|ts)( continues)?\n(.*?)```/gs,
  )) {
    blocks.push(continues ? blocks.at(-1) + code : code);
  }
  return blocks;
}
