/**
 * The tab that looks inside a model: attention, memory, gradients across segments, and the answer
 * without some memory tokens.
 */
import { GivenAnswer, judge, Tokens } from './answers.js';
import { Attention } from './attention.js';
import { NumberField, Select } from './controls.js';
import { Memory } from './memory.js';
import type { Erased, Look, Point } from './messages.js';
import { Plot } from './plot.js';
import { type Session, useLatest } from './session.js';
import type { PanelProps } from './state.js';
import { namesOf, plural } from './titles.js';
import { Transport } from './transport.js';

export function Lens({ session, state, set }: PanelProps & { session: Session }) {
  const { models, ask } = session;
  const erased = parseErased(state.erase);
  const index = Math.min(state.shown, models.length) - 1;
  const seen = useLatest(
    session,
    () => ask('look', { model: index, index: state.sample, erased }),
    `${index} ${state.sample} ${state.erase}`,
  );
  const names = namesOf(models);
  const model = models[index];
  return (
    <div class="results">
      <Transport state={state} set={set} session={session} />
      {models.length > 1 && (
        <div class="choices">
          <Select
            label="Model"
            value={String(index + 1)}
            options={names.map((name, i) => [String(i + 1), name] as const)}
            onChange={(shown) => set({ shown: +shown })}
          />
        </div>
      )}
      {model && seen && (
        <>
          <Answers name={names[index]} look={seen} training={session.playing} />
          <Memory
            look={seen}
            erased={erased}
            onErase={(next) => set({ erase: showErased(next) })}
          />
          <section class="card" aria-label="Attention" data-shows="attention">
            <h2>Attention</h2>
            <div class="choices">
              <Choice
                label="Segment"
                value={state.segment}
                most={seen.segments.length}
                onChange={(segment) => set({ segment })}
              />
              <Choice
                label="Layer"
                value={state.layer}
                most={seen.segments[0].attention.length}
                onChange={(layer) => set({ layer })}
              />
              <Choice
                label="Head"
                value={state.head}
                most={seen.segments[0].attention[0].length}
                onChange={(head) => set({ head })}
              />
            </div>
            <Attention look={seen} segment={state.segment} layer={state.layer} head={state.head} />
          </section>
          <Gradients points={model.points} />
        </>
      )}
    </div>
  );
}

function Choice({
  most,
  ...rest
}: {
  label: string;
  value: number;
  most: number;
  onChange: (value: number) => void;
}) {
  return <NumberField {...rest} value={Math.min(rest.value, most)} range={[1, most]} />;
}

/** The answers with all memory and without the erased tokens. */
function Answers({
  name,
  look: { whole, gone, without },
  training,
}: {
  name: string;
  look: Look;
  training: boolean;
}) {
  const right = ({ sample }: Look['whole']) => {
    const { count, wrong } = judge(sample);
    return count - wrong.length;
  };
  const lost = right(whole) - right(without);
  return (
    <section class="card" aria-label="Answer" data-shows="answer">
      <h2>{name} on this sample</h2>
      <dl class="answers">
        <Tokens name="Prompt" tokens={whole.sample.prompt} />
        <Tokens name="Right answer" tokens={whole.sample.answer} />
        <GivenAnswer name="Answer" sample={whole.sample} />
        {gone.length > 0 && <GivenAnswer name="With less memory" sample={without.sample} />}
      </dl>
      <p role={training ? undefined : 'status'}>
        Loss {whole.loss.toFixed(3)}
        {gone.length > 0 &&
          `; ${without.loss.toFixed(3)} without ${plural(gone.length, 'memory token')}. ` +
            (lost > 0
              ? `The answer loses ${lost} of its ${right(whole)} right symbols.`
              : 'The answer loses no right symbol.')}
      </p>
    </section>
  );
}

/** Number of segments with their own colours in theme.css; the next ones repeat them, dashed. */
const SHADES = 6;

/** The gradient by the memory that each segment reads, over steps. */
function Gradients({ points }: { points: readonly Point[] }) {
  const count = points[0]?.segmentGradientNorms.length ?? 0;
  const norms = (segment: number) => points.map((point) => point.segmentGradientNorms[segment]);
  if (
    count === 0 ||
    points.every(({ segmentGradientNorms }) => segmentGradientNorms.every((norm) => norm === 0))
  ) {
    return (
      <section class="card" aria-label="Gradient by segment" data-shows="gradient">
        <h2>Gradient by segment</h2>
        <p class="hint">
          {count === 0
            ? 'Take a step to see how much gradient flows back through each segment border.'
            : 'No gradient flows from one segment to another in this model: an earlier segment cannot learn what a later one needs.'}
        </p>
      </section>
    );
  }
  const curves = Array.from({ length: count }, (_, segment) => ({
    label: `into segment ${segment + 1}`,
    colour: `--segment-${1 + (segment % SHADES)}`,
    dashed: segment >= SHADES,
    xs: points.map(({ step }) => step),
    ys: norms(segment).map((norm) => (norm > 0 ? norm : Number.NaN)),
  }));
  const last = points[points.length - 1].segmentGradientNorms;
  return (
    <Plot
      title="Norm of the gradient by the memory that a segment reads"
      shows="gradient"
      summary={`At step ${points[points.length - 1].step}: ${last.map((norm, i) => `${norm.toPrecision(2)} into segment ${i + 1}`).join(', ')}`}
      curves={curves}
      log
    />
  );
}

/** Parses `segment.token` pairs, both counted from 1, as in the address. */
function parseErased(text: string): Erased[] {
  if (text === '') return [];
  return text.split(',').map((pair) => {
    const [segment, token] = pair.split('.').map(Number);
    return { segment: segment - 1, token: token - 1 };
  });
}

function showErased(erased: readonly Erased[]): string {
  return erased.map(({ segment, token }) => `${segment + 1}.${token + 1}`).join(',');
}
