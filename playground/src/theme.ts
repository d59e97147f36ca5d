/** Light and dark, for what is drawn and not styled. */
import { createContext } from 'preact';
import { useContext, useEffect, useState } from 'preact/hooks';
import type { State } from './state.js';

export type Theme = 'light' | 'dark';

export const ThemeContext = createContext<Theme>('light');

/** The theme that is shown. */
export function useTheme(): Theme {
  return useContext(ThemeContext);
}

/** Puts the theme that is chosen, or that of the system, on the page. */
export function useChosenTheme(chosen: State['theme']): Theme {
  const [dark, setDark] = useState(() => prefersDark().matches);
  useEffect(() => {
    const query = prefersDark();
    const follow = () => setDark(query.matches);
    query.addEventListener('change', follow);
    return () => query.removeEventListener('change', follow);
  }, []);
  const theme = chosen === 'system' ? (dark ? 'dark' : 'light') : chosen;
  document.documentElement.dataset.theme = theme; // now, since children read colours when they draw
  return theme;
}

function prefersDark(): MediaQueryList {
  return matchMedia('(prefers-color-scheme: dark)');
}

/** A colour of the page as it is now, such as `--muted`, as canvases take it. */
export function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}
