/**
 * Points at the parts that a lesson's button has changed: scrolls there, marks them briefly, moves
 * the focus and announces them.
 */
import { useEffect, useRef, useState } from 'preact/hooks';

/** How long parts stay marked, in ms. */
const MARKED = 3000;
/** How long to wait for a part to appear, in ms: the lens waits for the Worker. */
const PATIENCE = 20_000;

export interface Pointer {
  /**
   * Points at the parts of the page whose `data-shows` is in `names`, as soon as the first exists.
   */
  point(names: readonly string[]): void;
  /** Returns to the element that had the focus before; undefined if nothing is pointed at. */
  readonly back: (() => void) | undefined;
  /** The marked parts, for a live region. */
  readonly said: string;
}

/** Showing another tab than `tab` ends the pointing. */
export function usePointer(tab: string): Pointer {
  const [wanted, setWanted] = useState<{ names: readonly string[]; done?: true }>({ names: [] });
  const [said, setSaid] = useState('');
  const from = useRef<HTMLElement | undefined>(undefined);
  useEffect(() => {
    setSaid('');
    if (wanted.done || wanted.names.length === 0) return;
    let unmark = () => {};
    const show = () => {
      const parts = wanted.names.flatMap((name) => partOf(name) ?? []);
      if (parts[0]?.dataset.shows !== wanted.names[0]) return false;
      observer.disconnect();
      unmark = mark(parts);
      setSaid(`Marked: ${parts.map(nameOf).join(', ')}.`);
      return true;
    };
    const observer = new MutationObserver(show);
    if (!show()) observer.observe(document.body, { childList: true, subtree: true });
    const timer = setTimeout(() => observer.disconnect(), PATIENCE);
    return () => {
      wanted.done = true;
      observer.disconnect();
      clearTimeout(timer);
      unmark();
    };
  }, [wanted, tab]);
  return {
    said,
    point(names) {
      from.current = document.activeElement as HTMLElement;
      setWanted({ names }); // a new object, to point at the same parts again
    },
    back:
      said === ''
        ? undefined
        : () => {
            setSaid('');
            from.current?.focus({ preventScroll: true });
            from.current?.scrollIntoView({ block: 'center', behavior: behavior() });
          },
  };
}

function partOf(name: string): HTMLElement | undefined {
  return document.querySelector<HTMLElement>(`[data-shows="${name}"]`) ?? undefined;
}

/**
 * Scrolls to the first of `parts`, focuses it, and marks all. Returns a function that removes the
 * marks.
 */
function mark(parts: readonly HTMLElement[]): () => void {
  const [first] = parts;
  const block = first.offsetHeight > innerHeight ? 'start' : 'center';
  first.scrollIntoView({ block, behavior: behavior() });
  const release = keepInView(first, block);
  // Focuses the part rather than its input, which would open a phone's keyboard.
  if (!first.hasAttribute('tabindex')) first.tabIndex = -1;
  if (!first.hasAttribute('role') && first.tagName === 'DIV') {
    first.setAttribute('role', 'group');
    first.setAttribute('aria-label', nameOf(first));
  }
  first.focus({ preventScroll: true });
  for (const part of parts) part.dataset.marked = '';
  const unmark = () => {
    release();
    for (const part of parts) delete part.dataset.marked;
  };
  const timer = setTimeout(unmark, MARKED);
  return () => {
    clearTimeout(timer);
    unmark();
  };
}

const byHand = ['wheel', 'touchmove', 'pointerdown', 'keydown'] as const;

/**
 * Keeps `part` in view while the page still grows, for example by drawings, until the visitor
 * scrolls.
 */
function keepInView(part: HTMLElement, block: ScrollLogicalPosition): () => void {
  let height = document.body.offsetHeight;
  const observer = new ResizeObserver(() => {
    if (document.body.offsetHeight === height) return;
    height = document.body.offsetHeight;
    part.scrollIntoView({ block, behavior: 'instant' });
  });
  const release = () => {
    observer.disconnect();
    for (const type of byHand) removeEventListener(type, release);
  };
  observer.observe(document.body);
  for (const type of byHand) addEventListener(type, release, { passive: true });
  return release;
}

/** The label of a part, its heading, or its text. */
function nameOf(part: HTMLElement): string {
  const heading = part.querySelector('label, .title');
  return part.getAttribute('aria-label') ?? (heading ?? part).textContent ?? '';
}

function behavior(): ScrollBehavior {
  return matchMedia('(prefers-reduced-motion: reduce)').matches ? 'instant' : 'smooth';
}
