/** Labelled inputs. */
import type { ComponentChildren } from 'preact';
import { useId, useLayoutEffect, useRef, useState } from 'preact/hooks';

interface FieldProps<T> {
  label: string;
  value: T;
  onChange: (value: T) => void;
  hint?: string;
  disabled?: boolean;
  /** The `data-shows` name that lessons refer to. */
  shows?: string;
}

function Field({
  label,
  id,
  hint,
  shows,
  children,
}: {
  label: string;
  id: string;
  hint?: string;
  shows?: string;
  children: ComponentChildren;
}) {
  return (
    <div class="field" data-shows={shows}>
      <label for={id}>{label}</label>
      {children}
      {hint && (
        <p class="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
    </div>
  );
}

/** A choice among a few values; `options` pairs each with its text. */
export function Select<T extends string>({
  label,
  value,
  options,
  onChange,
  hint,
  disabled,
  shows,
}: FieldProps<T> & {
  options: readonly (readonly [value: T, text: string])[];
}) {
  const id = useId();
  return (
    <Field label={label} id={id} hint={hint} shows={shows}>
      <select
        id={id}
        value={value}
        disabled={disabled}
        aria-describedby={hint && `${id}-hint`}
        onChange={({ currentTarget }) => onChange(currentTarget.value as T)}
      >
        {options.map(([option, text]) => (
          <option key={option} value={option}>
            {text}
          </option>
        ))}
      </select>
    </Field>
  );
}

/**
 * A number from `least` to `most`. Input takes effect when it is committed; if it has to be
 * corrected, the field says so.
 */
export function NumberField({
  label,
  value,
  onChange,
  hint,
  disabled,
  shows,
  range: [least, most],
  step = 1,
}: FieldProps<number> & {
  range: readonly [least: number, most: number];
  step?: number | 'any';
}) {
  const id = useId();
  const input = useRef<HTMLInputElement>(null);
  const [corrected, setCorrected] = useState(false);
  // Set only when the value changes: every training step renders the page, which must not overwrite
  // unfinished input.
  useLayoutEffect(() => {
    (input.current as HTMLInputElement).value = String(value);
  }, [value]);
  return (
    <Field label={label} id={id} hint={hint} shows={shows}>
      <input
        id={id}
        ref={input}
        type="number"
        min={least}
        max={most}
        step={step}
        disabled={disabled}
        aria-describedby={hint && `${id}-hint`}
        onChange={({ currentTarget }) => {
          const number = currentTarget.valueAsNumber;
          const whole = step === 'any' ? number : Math.round(number);
          const fitting = Number.isFinite(whole) ? Math.min(most, Math.max(least, whole)) : value;
          currentTarget.value = String(fitting);
          setCorrected(fitting !== number);
          onChange(fitting);
        }}
      />
      {corrected && (
        <p class="hint corrected" role="status">
          {step === 'any' ? 'From' : 'A whole number from'} {least} to {most}.
        </p>
      )}
    </Field>
  );
}
