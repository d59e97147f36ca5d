/** The autodiff microscope. */
import type { PanelProps } from './state.js';

export function Microscope({ state }: PanelProps) {
  return <p>{state.expression}</p>;
}
