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

interface Shown {
  /** What was explained last. */
  explanation?: Explanation;
  /** The variables of what was written last and could be read, and the values that some of them have. */
  variables?: readonly string[];
  given?: Given;
  /** Why what is written now cannot be explained. */
  error?: string;
}

export function MicroscopePanel({ state, set }: PanelProps) {
  const { explanation, variables = [], given, error } = useExplanation(state.expression, state.at);
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
        {given && (
          <Values variables={variables} explanation={explanation} given={given} set={set} />
        )}
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
      (now) => current && setShown((before) => ({ ...before, error: undefined, ...now })),
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
  const variables = variablesOf(expression);
  const given = new Map([...parseValues(at)].filter(([name]) => variables.includes(name)));
  const backend = defaultBackend();
  return explain(expression, { at: given, backend }).then(
    (explanation) => ({ variables, given, explanation }),
    ({ message }: Error) => ({ variables, given, error: message }), // other values may help
  );
}

/** An input for each variable. */
function Values({
  variables,
  explanation,
  given,
  set,
}: {
  variables: readonly string[];
  explanation: Explanation | undefined;
  given: Given;
  set: PanelProps['set'];
}) {
  const change = (name: string, text: string) => {
    const others = writeValues([...given].filter(([other]) => other !== name));
    set({ at: [...(others ? [others] : []), `${name}=${text}`].join(', ') });
  };
  const textOf = (name: string) => {
    const value = given.get(name);
    if (value !== undefined) return writeValue(value);
    const chosen = explanation?.nodes.find(
      (node) => node.kind === 'variable' && node.name === name,
    );
    return chosen ? showValue(chosen.value, chosen.shape) : '';
  };
  return (
    <fieldset class="values">
      <legend>Values</legend>
      {variables.map((name) => (
        <Value key={name} name={name} text={textOf(name)} onChange={(text) => change(name, text)} />
      ))}
    </fieldset>
  );
}

/** The input of one variable, which keeps what is typed while it is no value yet. */
function Value({
  name,
  text,
  onChange,
}: {
  name: string;
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
        type="text"
        size={Math.min(40, Math.max(8, text.length))}
        placeholder="[1, 2]"
        spellcheck={false}
        autocapitalize="off"
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
