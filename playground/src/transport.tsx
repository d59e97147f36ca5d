/** Controls to start, pause, step and reset training, and to choose the sample. */
import { NumberField } from './controls.js';
import { isLearnt } from './progress.js';
import type { Session, Trained } from './session.js';
import { type PanelProps, ranges } from './state.js';
import { namesOf } from './titles.js';

export function Transport({ session, state, set }: PanelProps & { session: Session }) {
  const { playing, models, ask, fail, reset } = session;
  const idle = models.length === 0;
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
        {playing ? 'Training.' : pausedText(models)}
      </p>
      <p class="hint rule">Training pauses when a model averages 99.8% over ten steps.</p>
    </div>
  );
}

/** Says which models have learnt the task. */
function pausedText(models: readonly Trained[]): string {
  const names = namesOf(models);
  const [learnt, others] = [true, false].map((wanted) =>
    names.filter((_, i) => isLearnt(models[i].points) === wanted),
  );
  if (learnt.length === 0) return 'Not training.';
  if (others.length === 0) return 'All is learnt; Start continues.';
  return `${learnt[0]} has learnt the task, ${others[0]} has not; Start continues.`;
}
