/** Start, pause, step, reset, and which sample is on the screen. */
import { NumberField } from './controls.js';
import type { Session } from './session.js';
import { type PanelProps, ranges } from './state.js';

export function Transport({ session, state, set }: PanelProps & { session: Session }) {
  const { playing, models, ask, fail, reset } = session;
  const done = models.length > 0 && models.every(({ finished }) => finished);
  const idle = models.length === 0;
  return (
    <div class="transport">
      <button
        type="button"
        class="main"
        disabled={idle || (done && !playing)}
        onClick={() => ask(playing ? 'pause' : 'play').catch(fail)}
      >
        {playing ? 'Pause' : 'Start'}
      </button>
      <button
        type="button"
        disabled={idle || playing || done}
        onClick={() => ask('step').catch(fail)}
      >
        Step
      </button>
      <button type="button" disabled={idle} onClick={reset}>
        Reset
      </button>
      <NumberField
        label="Sample"
        value={state.sample}
        range={ranges.sample}
        onChange={(sample) => set({ sample })}
      />
      <p class="status" role="status">
        {done ? 'All is learnt.' : playing ? 'Training.' : 'Not training.'}
      </p>
    </div>
  );
}
