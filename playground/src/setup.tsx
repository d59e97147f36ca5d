/** The controls that define what is trained. */
import { type ModelName, modelReads } from 'memgrad/models';
import type { TaskName } from 'memgrad/tasks';
import { hasSymbols, lengthOf } from './configs.js';
import { NumberField, Select } from './controls.js';
import type { Session } from './session.js';
import {
  backendChoices,
  headCounts,
  type PanelProps,
  ranges,
  type State,
  widths,
} from './state.js';
import { modelTitles, plural, taskTitles } from './titles.js';

const titles = <T extends string>(record: Record<T, string>) =>
  Object.entries(record) as [T, string][];
const sameText = <T extends string>(values: readonly T[]) =>
  values.map((value) => [value, value] as const);

export function Setup({ state, set, session }: PanelProps & { session: Session }) {
  const { model: first, second } = state;
  const chosen = second === 'none' ? [first] : [first, second];
  const reads = (option: 'numMemTokens' | 'memLen') =>
    chosen.some((name) => modelReads(name, option));
  const whole = (name: keyof typeof ranges & keyof State, label: string, disabled = false) => (
    <NumberField
      label={label}
      shows={name}
      value={state[name] as number}
      range={ranges[name]}
      disabled={disabled}
      onChange={(value) => set({ [name]: value })}
    />
  );
  const { label, least, most } = lengthOf(state.task);
  const [model] = session.models;
  const cut =
    model &&
    `${model.time} tokens: ${plural(model.segments, 'segment')} of ${model.config.training.segmentLength}`;
  return (
    <form class="setup" aria-label="Settings" onSubmit={(event) => event.preventDefault()}>
      <Select<ModelName>
        label="Model"
        value={state.model}
        options={titles(modelTitles)}
        onChange={(model) => set({ model })}
      />
      <Select<ModelName | 'none'>
        label="Beside it"
        shows="second"
        value={state.second}
        options={[['none', 'no other'], ...titles(modelTitles)]}
        onChange={(second) => set({ second })}
      />
      <Select<TaskName>
        label="Task"
        value={state.task}
        options={titles(taskTitles)}
        onChange={(task) => set({ task, length: lengthOf(task).usual })}
      />
      <NumberField
        label={label}
        value={Math.min(most, Math.max(least, state.length))}
        range={[least, most]}
        onChange={(length) => set({ length })}
      />
      <NumberField
        label="Segments"
        shows="segments"
        value={state.segments}
        range={ranges.segments}
        hint={cut}
        onChange={(segments) => set({ segments, segment: 1, erase: '' })}
      />
      {whole('memory', 'Memory tokens', !reads('numMemTokens'))}
      {whole('cache', 'Rows of cache', !reads('memLen'))}
      <Select
        label="Backend"
        value={state.backend}
        options={sameText(
          backendChoices.filter(
            (choice) =>
              choice === state.backend || session.backends.some(({ name }) => name === choice),
          ),
        )}
        onChange={(backend) => set({ backend })}
      />
      <details>
        <summary>Sizes and seed</summary>
        <div class="setup">
          {whole('layers', 'Layers')}
          <Select
            label="Heads"
            value={state.heads}
            options={sameText(headCounts)}
            onChange={(heads) => set({ heads })}
          />
          <Select
            label="Width"
            value={state.width}
            options={sameText(widths)}
            onChange={(width) => set({ width })}
          />
          {whole('symbols', 'Different symbols', !hasSymbols(state.task))}
          {whole('batch', 'Sequences a step')}
          <NumberField
            label="Learning rate"
            value={state.rate}
            range={[0.00001, 1]}
            step="any"
            onChange={(rate) => set({ rate })}
          />
          {whole('seed', 'Seed')}
        </div>
      </details>
    </form>
  );
}
