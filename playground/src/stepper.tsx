/** Buttons, a slider and keys for stepping. */
import type { ComponentChildren } from 'preact';
import { useEffect, useId, useState } from 'preact/hooks';

const PLAY_MS = 900;

export function Stepper({
  position,
  last,
  onMove,
  children,
}: {
  position: number;
  last: number;
  onMove: (position: number) => void;
  children: ComponentChildren;
}) {
  const [playing, setPlaying] = useState(false);
  const id = useId();
  const atEnd = position === last;
  useEffect(() => {
    if (!playing) return;
    if (atEnd) {
      setPlaying(false);
      return;
    }
    const timer = setTimeout(() => onMove(position + 1), PLAY_MS);
    return () => clearTimeout(timer);
  }, [playing, position, atEnd]);
  const step = (to: number) => {
    setPlaying(false);
    onMove(to);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const to = { ArrowRight: position + 1, ArrowLeft: position - 1, Home: 0, End: last }[event.key];
    if (to === undefined || event.target instanceof HTMLInputElement) return; // the slider handles its own keys
    event.preventDefault();
    step(to);
  };
  const button = (title: string, to: number, disabled: boolean) => (
    // aria-disabled keeps the keyboard focus, which `disabled` would drop at the last step.
    <button type="button" aria-disabled={disabled} onClick={() => step(to)}>
      {title}
    </button>
  );
  return (
    <section class="stepper" aria-label="Steps" onKeyDown={onKeyDown}>
      <div class="transport">
        {button('First', 0, position === 0)}
        {button('Back', position - 1, position === 0)}
        {button('Forward', position + 1, atEnd)}
        {button('Last', last, atEnd)}
        <button
          type="button"
          class="main"
          onClick={() => {
            if (!playing && atEnd) onMove(0);
            setPlaying(!playing);
          }}
        >
          {playing ? 'Pause' : 'Play'}
        </button>
        <div class="field slider">
          <label for={id}>
            Step {position} of {last}
          </label>
          <input
            id={id}
            type="range"
            min={0}
            max={last}
            value={position}
            onInput={({ currentTarget }) => step(currentTarget.valueAsNumber)}
          />
        </div>
      </div>
      {children}
    </section>
  );
}
