/** What the autodiff microscope shows: an expression forward and backward, one operation at a time. */
import { defaultBackend, type Nested } from 'memgrad';
import {
  type Explanation,
  examples,
  explain,
  knownAt,
  parseValues,
  showNode,
  shownNodes,
  showValue,
  stepsOf,
  variablesOf,
  writeValue,
  writeValues,
} from 'memgrad/explain';
import { useEffect, useId, useState } from 'preact/hooks';
import { Select } from './controls.js';
import type { PanelProps } from './state.js';
import { StepText } from './step-text.js';
import { Stepper } from './stepper.js';
import { TapeGraph } from './tape-graph.js';

type Given = ReadonlyMap<string, Nested>;

/** What was explained last, with which values, and why what is written now cannot be. */
interface Shown {
  explanation?: Explanation;
  given?: Given;
  error?: string;
}

export function MicroscopePanel({ state, set }: PanelProps) {
  const { explanation, given, error } = useExplanation(state.expression, state.at);
  const [wanted, setPosition] = useState(0);
  const last = explanation ? stepsOf(explanation).length - 1 : 0;
  const position = Math.min(wanted, last);
  const move = (to: number) => setPosition(Math.min(last, Math.max(0, to)));
  const begin = (change: { expression: string; at: string }) => {
    setPosition(0);
    set(change);
  };
  const textId = useId();
  return (
    <div class="results">
      <section class="card microscope-input" aria-label="What is looked at">
        <Select
          label="Begin with"
          value={examples.find(({ expression }) => expression === state.expression)?.name ?? ''}
          options={[['', 'your own'], ...examples.map(({ name }) => [name, name] as const)]}
          hint={examples.find(({ expression }) => expression === state.expression)?.about}
          onChange={(chosen) => {
            const example = examples.find(({ name }) => name === chosen);
            if (!example) return;
            const { expression, at } = example;
            begin({ expression, at: writeValues(Object.entries(at)) });
          }}
        />
        <div class="field">
          <label for={textId}>Expression</label>
          <textarea
            id={textId}
            rows={Math.max(2, state.expression.split('\n').length)}
            maxLength={500}
            spellcheck={false}
            autocapitalize="off"
            value={state.expression}
            aria-describedby={`${textId}-hint`}
            onInput={({ currentTarget }) => set({ expression: currentTarget.value })}
          />
          <p class="hint" id={`${textId}-hint`}>
            Operations of memgrad by name, + - * / **, comparisons, lists, and name = value. The
            last line is differentiated.
          </p>
        </div>
        {explanation && given && <Values explanation={explanation} given={given} set={set} />}
        {error && (
          <p class="error" role="alert">
            {error}
          </p>
        )}
      </section>
      {explanation && (
        <Stepper position={position} last={last} onMove={move}>
          <TapeGraph explanation={explanation} position={position} onMove={move} />
          <div class="step-and-tape">
            <StepText explanation={explanation} position={position} />
            <Tape explanation={explanation} position={position} />
          </div>
        </Stepper>
      )}
    </div>
  );
}

/** Explains again whenever a letter changes. What is shown stays until there is something new. */
function useExplanation(expression: string, at: string): Shown {
  const [shown, setShown] = useState<Shown>({});
  useEffect(() => {
    let current = true;
    run(expression, at).then(
      (explained) => current && setShown(explained),
      ({ message }: Error) => current && setShown((before) => ({ ...before, error: message })),
    );
    return () => {
      current = false;
    };
  }, [expression, at]);
  return shown;
}

/** On the default backend, in float32: cpu, which has float64, needs a looser policy than this page has. */
async function run(expression: string, at: string): Promise<Shown> {
  const read = variablesOf(expression);
  const given = new Map([...parseValues(at)].filter(([name]) => read.includes(name)));
  const backend = defaultBackend();
  return { given, explanation: await explain(expression, { at: given, backend }) };
}

/** An input for each variable. */
function Values({
  explanation,
  given,
  set,
}: {
  explanation: Explanation;
  given: Given;
  set: PanelProps['set'];
}) {
  const change = (name: string, text: string) => {
    const others = writeValues([...given].filter(([other]) => other !== name));
    set({ at: [...(others ? [others] : []), `${name}=${text}`].join(', ') });
  };
  return (
    <fieldset class="values">
      <legend>Values</legend>
      {explanation.nodes
        .filter(({ kind }) => kind === 'variable')
        .map(({ name, shape, value }) => (
          <Value
            key={name}
            name={name}
            single={shape.length === 0}
            text={given.has(name) ? writeValue(given.get(name) ?? 0) : showValue(value, shape)}
            onChange={(text) => change(name, text)}
          />
        ))}
    </fieldset>
  );
}

/** The input of one variable, which keeps what is typed while it is no value yet. */
function Value({
  name,
  single,
  text,
  onChange,
}: {
  name: string;
  single: boolean;
  text: string;
  onChange: (text: string) => void;
}) {
  const id = useId();
  const [typed, setTyped] = useState<string>();
  return (
    <div class="field">
      <label for={id}>{name}</label>
      <input
        id={id}
        {...(single ? { type: 'number', step: 'any' } : { type: 'text' })}
        value={typed ?? text}
        onInput={({ currentTarget }) => {
          setTyped(currentTarget.value);
          if (currentTarget.value.trim() !== '') onChange(currentTarget.value);
        }}
        onBlur={() => setTyped(undefined)}
      />
    </div>
  );
}

/** What the graph shows, as a table. */
function Tape({ explanation, position }: { explanation: Explanation; position: number }) {
  const { values, gradients } = knownAt(explanation, position);
  const step = stepsOf(explanation)[position];
  return (
    <section class="card" aria-label="Tape">
      <h2>The tape</h2>
      <table class="tape">
        <thead>
          <tr>
            <th scope="col">computed</th>
            <th scope="col">value</th>
            <th scope="col">gradient so far</th>
          </tr>
        </thead>
        <tbody>
          {shownNodes(explanation).map((node) => {
            const { id, value, shape } = node;
            const sum = gradients.get(id);
            const isCurrent = step.kind !== 'start' && step.node === id;
            return (
              <tr key={id} aria-current={isCurrent ? 'step' : undefined}>
                <th scope="row">
                  <code>{showNode(explanation, node)}</code>
                </th>
                <td>{values.has(id) ? showValue(value, shape) : ''}</td>
                <td>{sum ? showValue(sum, shape) : ''}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </section>
  );
}
