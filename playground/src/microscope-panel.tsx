/** The autodiff microscope: an expression forward and backward, one operation at a time. */
import { defaultBackend } from 'memgrad';
import {
  type Explanation,
  examples,
  explain,
  isLost,
  knownAt,
  parseValues,
  remarksOn,
  showNode,
  shownNodes,
  showValue,
  stepsOf,
  variablesOf,
  writeValues,
} from 'memgrad/explain';
import { useEffect, useId, useMemo, useState } from 'preact/hooks';
import { Select } from './controls.js';
import type { PanelProps } from './state.js';
import { StepText } from './step-text.js';
import { Stepper } from './stepper.js';
import { TapeGraph } from './tape-graph.js';
import { type Given, said, useTyped, Values } from './values.js';

interface Shown {
  /** The latest explanation. */
  explanation?: Explanation;
  /**
   * The variables of the latest expression that could be parsed, and the given values of some of
   * them.
   */
  variables?: readonly string[];
  given?: Given;
  /** Why the current expression can't be explained. */
  error?: string;
  /** Why the values in the address are ignored. */
  unread?: string;
}

export function MicroscopePanel({ state, set }: PanelProps) {
  const {
    explanation,
    variables = [],
    given,
    error,
    unread,
  } = useExplanation(state.expression, state.at);
  const typed = useTyped(state.at, variables, given, set);
  const isStale = error !== undefined || typed.problems.size > 0;
  const example = examples.find(({ expression }) => expression === state.expression);
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
      <section class="card microscope-input" aria-label="Input">
        <Select
          label="Example"
          value={example?.name ?? ''}
          options={[
            ...(example ? [] : [['', 'your own'] as const]),
            ...examples.map(({ name }) => [name, name] as const),
          ]}
          hint={example?.about}
          onChange={(chosen) => {
            const example = examples.find(({ name }) => name === chosen);
            if (!example) return;
            const { expression, at } = example;
            begin({ expression, at: writeValues(Object.entries(at)) });
          }}
        />
        <div class="field" data-shows="expression">
          <label for={textId}>Expression</label>
          <textarea
            id={textId}
            rows={Math.min(12, Math.max(2, state.expression.split('\n').length))}
            aria-invalid={error !== undefined}
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
        {error && (
          <p class="error" role="alert">
            {error}
          </p>
        )}
        {unread && (
          <p class="error" role="alert">
            {unread}
          </p>
        )}
        {given && variables.length > 0 && (
          <Values variables={variables} explanation={explanation} given={given} typed={typed} />
        )}
      </section>
      {explanation && isStale && (
        <p class="stale-note" role="status">
          Until the error is fixed, the graph below still shows{' '}
          <code>{explanation.expression}</code>
          {error === undefined && ' at the previous values'}.
        </p>
      )}
      {explanation && (
        <div class={isStale ? 'stale' : ''} inert={isStale}>
          <Remarks explanation={explanation} />
          <Stepper position={position} last={last} onMove={move}>
            <TapeGraph explanation={explanation} position={position} onMove={move} />
            <div class="step-and-tape">
              <StepText explanation={explanation} position={position} />
              <Tape explanation={explanation} position={position} />
            </div>
          </Stepper>
        </div>
      )}
    </div>
  );
}

/**
 * Explains the expression on every change. The previous explanation stays until there is a new one.
 */
function useExplanation(expression: string, at: string): Shown {
  const [shown, setShown] = useState<Shown>({});
  useEffect(() => {
    let current = true;
    explained(expression, at).then(
      (now) =>
        current &&
        setShown((before) => ({ ...before, error: undefined, unread: undefined, ...now })),
      (error) => current && setShown((before) => ({ ...before, error: said(error) })),
    );
    return () => {
      current = false;
    };
  }, [expression, at]);
  return shown;
}

/**
 * Runs on the default backend, in float32: cpu, which has float64, needs a looser content security
 * policy than this page has.
 */
async function explained(expression: string, at: string): Promise<Shown> {
  const variables = variablesOf(expression);
  const { values, unread } = valuesIn(at);
  const given = new Map([...values].filter(([name]) => variables.includes(name)));
  const backend = defaultBackend();
  return explain(expression, { at: given, backend }).then(
    (explanation) => ({ variables, given, explanation, unread }),
    (error) => ({ variables, given, error: said(error), unread }), // other values may work
  );
}

/** The values in the address; none if they can't be read, as in a truncated link. */
function valuesIn(at: string): { values: Given; unread?: string } {
  try {
    return { values: parseValues(at) };
  } catch (error) {
    const unread = `The address has values that cannot be read, “${at}”, so others are used. ${said(error)}`;
    return { values: new Map(), unread };
  }
}

/** Explains missing gradients, and where NaN first appears. */
function Remarks({ explanation }: { explanation: Explanation }) {
  const remarks = useMemo(() => remarksOn(explanation), [explanation]);
  return (
    <div role="status">
      {remarks.length > 0 && (
        <section class="card remarks" aria-label="Remarks" data-shows="remarks">
          {remarks.map((remark) => (
            <p key={remark}>{remark}</p>
          ))}
        </section>
      )}
    </div>
  );
}

/** The graph as a table. */
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
                <td class={values.has(id) && isLost(value) ? 'lost' : ''}>
                  {values.has(id) ? showValue(value, shape) : ''}
                </td>
                <td class={sum && isLost(sum) ? 'lost' : ''}>{sum ? showValue(sum, shape) : ''}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </section>
  );
}
