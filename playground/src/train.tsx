/** The training tab: controls, curves, and a sample answered live. */
import { GivenAnswer, Tokens } from './answers.js';
import { Checkpoints } from './checkpoints.js';
import { type Curve, Plot } from './plot.js';
import { READ, recent } from './progress.js';
import { type Session, type Trained, useLatest } from './session.js';
import { Setup } from './setup.js';
import type { PanelProps } from './state.js';
import { modelColours, namesOf, percent, plural } from './titles.js';
import { Transport } from './transport.js';

export function Train({ session, state, set }: PanelProps & { session: Session }) {
  const { models, ask } = session;
  const answered = useLatest(
    session,
    () => ask('sample', { index: state.sample }),
    String(state.sample),
  );
  const samples = answered?.length === models.length ? answered : [];
  const names = namesOf(models);
  const curves = (field: 'loss' | 'accuracy'): Curve[] =>
    models.map(({ points }, i) => ({
      label: names[i],
      colour: modelColours[i],
      dashed: i > 0,
      xs: points.map(({ step }) => step),
      ys: points.map((point) => point[field]),
    }));
  const told = (field: 'loss' | 'accuracy', show: (value: number) => string) =>
    models
      .map(({ points }, i) =>
        points.length === 0
          ? `${names[i]} has taken no step`
          : `${names[i]} went from ${show(points[0][field])} to ${show(recent(points, field))} in ${plural(points.length, 'step')}`,
      )
      .join('; ');

  const byAnswers = models.some(({ metric }) => metric === 'answers');
  return (
    <div class="columns">
      <section class="card" aria-label="Controls">
        <Setup state={state} set={set} session={session} />
      </section>
      <div class="results">
        <Transport state={state} set={set} session={session} />
        <div class="models">
          {models.map((model, i) => (
            <Readout key={names[i]} model={model} name={names[i]} colour={modelColours[i]} />
          ))}
        </div>
        <div class="plots">
          <Plot
            title={byAnswers ? 'Whole answers right' : 'Accuracy'}
            summary={told('accuracy', percent)}
            curves={curves('accuracy')}
            range={[0, 1]}
            show={(share) => `${Math.round(100 * share)}%`}
          />
          <Plot
            title="Loss, in nats"
            summary={told('loss', (value) => value.toFixed(3))}
            curves={curves('loss')}
          />
        </div>
        <section class="card" aria-label="Held-out sample">
          <h2>Held-out sample {state.sample}</h2>
          {samples.length > 0 && (
            <dl class="answers">
              <Tokens name="Prompt" tokens={samples[0].prompt} />
              <Tokens name="Right answer" tokens={samples[0].answer} />
              {samples.map((sample, i) => (
                <GivenAnswer key={names[i]} name={names[i]} sample={sample} />
              ))}
            </dl>
          )}
          <p class="hint">
            From the first symbol of the answer on, a model reads only its own predictions.
          </p>
        </section>
        <Checkpoints session={session} />
      </div>
    </div>
  );
}

function Readout({ model, name, colour }: { model: Trained; name: string; colour: string }) {
  const { points, parameters, metric, chance } = model;
  const shown = (number: number, show: (number: number) => string) =>
    Number.isFinite(number) ? show(number) : '–';
  return (
    <section class="card readout" aria-label={name} style={{ borderTopColor: `var(${colour})` }}>
      <h2>{name}</h2>
      <dl>
        <div>
          <dt>Step</dt>
          <dd class="step">{(points.at(-1)?.step ?? 0).toLocaleString('en')}</dd>
        </div>
        <div>
          <dt>{metric === 'answers' ? 'Whole answers' : 'Accuracy'}</dt>
          <dd class="accuracy">{percent(recent(points, 'accuracy'))}</dd>
        </div>
        <div>
          <dt>Loss</dt>
          <dd>{shown(recent(points, 'loss'), (loss) => loss.toFixed(3))}</dd>
        </div>
        <div>
          <dt>Tokens a second</dt>
          <dd>
            {shown(recent(points, 'tokensPerSecond'), (speed) =>
              Math.round(speed).toLocaleString('en'),
            )}
          </dd>
        </div>
      </dl>
      <p class="hint">
        {plural(parameters, 'parameter')}; guessing gets {percent(chance)}
        {metric === 'answers' && ' of whole answers'}
      </p>
      {metric === 'answers' && (
        <p class="hint">
          Counted in {READ} held-out samples after each step, by the answer alone: steps before it
          and padding don’t count.
        </p>
      )}
    </section>
  );
}
