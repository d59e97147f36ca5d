/** Start, pause, step, reset, and which sample is on the screen. */
import { NumberField } from './controls.js';
import { isLearnt } from './progress.js';
import type { Session } from './session.js';
import { type PanelProps, ranges } from './state.js';

export function Transport({ session, state, set }: PanelProps & { session: Session }) {
  const { playing, models, ask, fail, reset } = session;
  const idle = models.length === 0;
  const learnt = !idle && models.every(({ points }) => isLearnt(points));
  return (
    <div class="transport">
      <button
        type="button"
        class="main"
        disabled={idle}
        onClick={() => ask(playing ? 'pause' : 'play').catch(fail)}
      >
        {playing ? 'Pause' : 'Start'}
      </button>
      <button type="button" disabled={idle || playing} onClick={() => ask('step').catch(fail)}>
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
        {playing ? 'Training.' : learnt ? 'All is learnt; Start goes on.' : 'Not training.'}
      </p>
    </div>
  );
}
