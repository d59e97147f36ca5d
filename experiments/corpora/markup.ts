/**
 * Extracts text from markup. Every function takes time in proportion to the length of its text,
 * even for hostile text.
 */
import { MemgradError } from 'memgrad';

const ENTITIES: Readonly<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
  nbsp: ' ',
};

/**
 * Removes tags, replaces entities by their characters, and collapses white space within lines.
 * Unknown entities are kept as written.
 */
export function plainText(markup: string): string {
  const end = markup.lastIndexOf('>') + 1; // no tag ends after it, and searching from each < would take quadratic time
  const text = markup.slice(0, end).replace(/<[^>]*>/g, (tag) => (endsLine(tag) ? '\n' : ' '));
  return (text + markup.slice(end))
    .replace(/&(#\d+|#x[\da-f]+|\w+);/gi, (all, name) => entity(name) ?? all)
    .replace(/[^\S\n]+/g, ' ')
    .replace(/ ?\n\s*/g, '\n')
    .trim();
}

function endsLine(tag: string): boolean {
  return (
    tag === '</p>' || tag.startsWith('<br') || (tag.startsWith('<div ') && tag.includes('eID'))
  );
}

function entity(name: string): string | undefined {
  if (!name.startsWith('#')) return Object.hasOwn(ENTITIES, name) ? ENTITIES[name] : undefined;
  const code = /^#x/i.test(name)
    ? Number.parseInt(name.slice(2), 16)
    : Number.parseInt(name.slice(1), 10);
  const isCharacter = code > 0 && code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff);
  return isCharacter ? String.fromCodePoint(code) : undefined;
}

/** A start tag of XML. */
export interface StartTag {
  /** Its first byte, and the byte after its `>`. */
  readonly start: number;
  readonly end: number;
  /** The text between the name and the `>`. */
  readonly attributes: string;
}

const LONGEST_TAG = 2 ** 16;

/**
 * Yields the start tags called `name`, in order. Throws `MemgradError` for a tag that doesn't end
 * within 64 kB; `where` names the file in the message.
 */
export function* startTags(where: string, markup: Buffer, name: string): Iterable<StartTag> {
  const open = `<${name}`;
  for (let start = markup.indexOf(open); start >= 0; ) {
    const after = start + open.length;
    let end = after;
    if (!/[\w:.-]/.test(String.fromCharCode(markup[after]))) {
      end = endOfTag(markup, after);
      if (end < 0) {
        throw new MemgradError(
          `${where} has a tag ${open} at byte ${start} that does not end; expected the file as published.`,
        );
      }
      yield { start, end, attributes: markup.toString('utf8', after, end - 1) };
    }
    start = markup.indexOf(open, end);
  }
}

/** The index after the `>` of the tag around `from`, or -1. A `>` in quotes doesn't count. */
function endOfTag(markup: Buffer, from: number): number {
  const last = Math.min(from + LONGEST_TAG, markup.length);
  let quoted = false;
  for (let at = from; at < last; at++) {
    if (markup[at] === 0x22)
      quoted = !quoted; // "
    else if (markup[at] === 0x3e && !quoted) return at + 1; // >
  }
  return -1;
}

/** Returns the value of an attribute as written, or undefined. */
export function attribute(attributes: string, name: string): string | undefined {
  for (let from = 0; ; ) {
    const open = attributes.indexOf('"', from);
    const close = attributes.indexOf('"', open + 1);
    if (open < 0 || close < 0) return undefined;
    if (attributes.slice(from, open).trim() === `${name}=`)
      return attributes.slice(open + 1, close);
    from = close + 1;
  }
}
