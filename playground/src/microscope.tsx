/**
 * The autodiff microscope, loaded when it is first opened: its parser and its graph layout are half
 * of the page's code.
 */
import type { ComponentType } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { PanelProps } from './state.js';

export function Microscope(props: PanelProps) {
  const [{ Panel, error }, setLoaded] = useState<Loaded>({});
  useEffect(() => {
    import('./microscope-panel.js').then(
      ({ MicroscopePanel }) => setLoaded({ Panel: MicroscopePanel }),
      ({ message }: Error) => setLoaded({ error: `The microscope did not load: ${message}` }),
    );
  }, []);
  return Panel ? <Panel {...props} /> : <p role="status">{error ?? 'Loading.'}</p>;
}

interface Loaded {
  Panel?: ComponentType<PanelProps>;
  error?: string;
}
