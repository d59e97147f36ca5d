/** Points at what a lesson's button has changed: scrolls there, marks it for a moment, moves the focus, says so. */
import { useEffect, useRef, useState } from 'preact/hooks';

/** So long it stays marked, in ms. */
const MARKED = 3000;
/** So long a part of the page may take to appear: the lens waits for the Worker. */
const PATIENCE = 20_000;

export interface Pointer {
  /** Points at the parts of the page whose `data-shows` is in `names`, as soon as the first is there. */
  point(names: readonly string[]): void;
  /** Goes back to where the last pointing began; undefined where there is none. */
  readonly back: (() => void) | undefined;
  /** For a live region: what is marked. */
  readonly said: string;
}

/** While `tab` is shown; with another tab what was pointed at is forgotten. */
export function usePointer(tab: string): Pointer {
  const [wanted, setWanted] = useState<readonly string[]>([]);
  const [said, setSaid] = useState('');
  const from = useRef<HTMLElement | undefined>(undefined);
  useEffect(() => {
    if (wanted.length === 0) return;
    const found = () => wanted.flatMap((name) => partOf(name) ?? []);
    let unmark = () => {};
    const show = () => {
      if (!partOf(wanted[0])) return false;
      observer.disconnect();
      const parts = found();
      unmark = mark(parts);
      setSaid(`Marked: ${parts.map(nameOf).join(', ')}.`);
      return true;
    };
    const observer = new MutationObserver(show);
    if (!show()) observer.observe(document.body, { childList: true, subtree: true });
    const timer = setTimeout(() => observer.disconnect(), PATIENCE);
    return () => {
      observer.disconnect();
      clearTimeout(timer);
      unmark();
    };
  }, [wanted]);
  useEffect(() => {
    setSaid('');
  }, [tab]);
  return {
    said,
    point(names) {
      from.current = document.activeElement as HTMLElement;
      setSaid('');
      setWanted([...names]); // a new list, so that the same is pointed at again
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

/** Scrolls to the first of `parts`, gives it the focus and marks all; the result takes the marks away. */
function mark(parts: readonly HTMLElement[]): () => void {
  const [first] = parts;
  const tall = first.offsetHeight > innerHeight;
  first.scrollIntoView({ block: tall ? 'start' : 'center', behavior: behavior() });
  // The part, not its input: a phone would open its keyboard.
  first.tabIndex = -1;
  if (!first.ariaLabel && !first.getAttribute('aria-labelledby')) {
    first.setAttribute('role', 'group');
    first.setAttribute('aria-label', nameOf(first));
  }
  first.focus({ preventScroll: true });
  for (const part of parts) part.dataset.marked = '';
  const unmark = () => {
    for (const part of parts) delete part.dataset.marked;
  };
  const timer = setTimeout(unmark, MARKED);
  return () => {
    clearTimeout(timer);
    unmark();
  };
}

/** A part by its label, its legend or its heading. */
function nameOf(part: HTMLElement): string {
  const label = part.ariaLabel ?? part.querySelector('label, legend, h2, h3, .title')?.textContent;
  return label ?? '';
}

function behavior(): ScrollBehavior {
  return matchMedia('(prefers-reduced-motion: reduce)').matches ? 'instant' : 'smooth';
}
