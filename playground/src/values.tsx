/** Fields for the values of an expression's variables, which keep unfinished input. */
import type { Nested } from 'memgrad';
import {
  type Explanation,
  parseValue,
  parseValues,
  showValue,
  writeValue,
  writeValues,
} from 'memgrad/explain';
import { useEffect, useId, useRef, useState } from 'preact/hooks';
import type { PanelProps } from './state.js';

export type Given = ReadonlyMap<string, Nested>;

/** Returns an error's message without the name of the function, which a page doesn't call. */
export function said(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replace(/^explain: (.)/, (_, first: string) => first.toUpperCase());
}

/** The state of the value fields. */
export interface Typed {
  /** Unfinished input, by variable. */
  readonly texts: ReadonlyMap<string, string>;
  /** Errors in it, by variable; an empty field isn't an error. */
  readonly problems: ReadonlyMap<string, string>;
  type(name: string, text: string): void;
  leave(name: string): void;
}

export function useTyped(
  at: string,
  variables: readonly string[],
  given: Given | undefined,
  set: PanelProps['set'],
): Typed {
  const [texts, setTexts] = useState<ReadonlyMap<string, string>>(new Map());
  const ours = useRef(at);
  useEffect(() => {
    if (at !== ours.current) setTexts(new Map()); // a lesson or an example changed the values
    ours.current = at;
  }, [at]);
  /** The values with a new one for `name`. Throws for text that isn't a value. */
  const withValue = (name: string, text: string): string => {
    const value = parseValue(name, text);
    const all = writeValues(new Map([...(given ?? []), [name, value]]));
    parseValues(all); // together they may be too long
    return all;
  };
  const problems = new Map<string, string>();
  for (const [name, text] of texts) {
    if (!variables.includes(name) || text.trim() === '') continue;
    try {
      withValue(name, text);
    } catch (error) {
      problems.set(name, said(error));
    }
  }
  const keep = (name: string, text?: string) =>
    setTexts((before) => {
      const after = new Map(before);
      if (text === undefined) after.delete(name);
      else after.set(name, text);
      return after;
    });
  return {
    texts,
    problems,
    type(name, text) {
      keep(name, text);
      try {
        ours.current = withValue(name, text);
        set({ at: ours.current });
      } catch {} // shown as a problem
    },
    leave(name) {
      if (!problems.has(name)) keep(name);
    },
  };
}

/** An input for each variable. */
export function Values({
  variables,
  explanation,
  given,
  typed,
}: {
  variables: readonly string[];
  explanation: Explanation | undefined;
  given: Given;
  typed: Typed;
}) {
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
      <legend>Values: numbers such as 0.5, or lists such as [1, 2]</legend>
      {variables.map((name) => (
        <Value
          key={name}
          name={name}
          text={typed.texts.get(name) ?? textOf(name)}
          problem={typed.problems.get(name)}
          onType={(text) => typed.type(name, text)}
          onLeave={() => typed.leave(name)}
        />
      ))}
    </fieldset>
  );
}

/** The input of one variable. */
function Value({
  name,
  text,
  problem,
  onType,
  onLeave,
}: {
  name: string;
  text: string;
  problem: string | undefined;
  onType: (text: string) => void;
  onLeave: () => void;
}) {
  const id = useId();
  return (
    <div class="field" data-shows={`value-${name}`}>
      <label for={id}>{name}</label>
      <input
        id={id}
        type="text"
        size={Math.min(40, Math.max(8, text.length))}
        spellcheck={false}
        autocapitalize="off"
        value={text}
        aria-invalid={problem !== undefined}
        aria-describedby={problem && `${id}-problem`}
        onInput={({ currentTarget }) => onType(currentTarget.value)}
        onBlur={onLeave}
      />
      {problem && (
        <p class="error" role="alert" id={`${id}-problem`}>
          {problem}
        </p>
      )}
    </div>
  );
}
