/** The light and the dark theme, for content that is drawn rather than styled. */
import { createContext } from 'preact';
import { useContext, useEffect, useState } from 'preact/hooks';
import type { State } from './state.js';

export type Theme = 'light' | 'dark';

export const ThemeContext = createContext<Theme>('light');

/** The current theme. */
export function useTheme(): Theme {
  return useContext(ThemeContext);
}

/** Applies the chosen theme, or the system's, to the page, and returns it. */
export function useChosenTheme(chosen: State['theme']): Theme {
  const [dark, setDark] = useState(() => prefersDark().matches);
  useEffect(() => {
    const query = prefersDark();
    const follow = () => setDark(query.matches);
    query.addEventListener('change', follow);
    return () => query.removeEventListener('change', follow);
  }, []);
  const theme = chosen === 'system' ? (dark ? 'dark' : 'light') : chosen;
  document.documentElement.dataset.theme = theme; // during rendering, since children read colours when they draw
  return theme;
}

function prefersDark(): MediaQueryList {
  return matchMedia('(prefers-color-scheme: dark)');
}

/** Returns the current value of a CSS colour variable, such as `--muted`, for canvases. */
export function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}
