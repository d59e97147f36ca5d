/** The tab that measures the training step of `npm run bench` on this machine. */
import type { BackendName } from 'memgrad';
import { useState } from 'preact/hooks';
import { NumberField } from './controls.js';
import type { Available, Timed } from './messages.js';
import type { Session } from './session.js';

/** A backend and its times, or its error. */
interface Row {
  readonly backend: BackendName;
  readonly timed?: Timed;
  readonly error?: string;
}

const head = [
  'backend',
  'ms a step: median',
  'range',
  'first step, ms',
  'tokens a second',
  'loss after',
];

/** The results and the running measurement, which continues while another tab is shown. */
export interface Measuring {
  readonly rows: readonly Row[];
  /** The backend being timed, or ''. */
  readonly running: string;
  measure(chosen: readonly BackendName[], steps: number): void;
}

export function useMeasuring({ ask, fail }: Session): Measuring {
  const [rows, setRows] = useState<readonly Row[]>([]);
  const [running, setRunning] = useState('');
  const measure = async (chosen: readonly BackendName[], steps: number) => {
    setRows([]);
    setRunning(chosen[0]);
    try {
      await ask('pause');
      for (const backend of chosen) {
        setRunning(backend);
        const row = await ask('bench', { backend, steps }).then(
          (timed) => ({ backend, timed }),
          ({ message }: Error) => ({ backend, error: message }),
        );
        setRows((rows) => [...rows, row]);
      }
    } catch (error) {
      fail(error);
    }
    setRunning('');
  };
  return { rows, running, measure };
}

export function Bench({ session, measuring }: { session: Session; measuring: Measuring }) {
  const { backends, fail } = session;
  const { rows, running, measure } = measuring;
  const [steps, setSteps] = useState(5);
  const [left, setLeft] = useState<readonly BackendName[]>([]);
  const [copied, setCopied] = useState(false);

  const names = backends.map(({ name }) => name);
  const chosen = names.filter((name) => !left.includes(name));
  const copy = () => {
    navigator.clipboard.writeText(markdown(rows, backends)).then(() => setCopied(true), fail);
  };

  return (
    <section class="card" aria-label="Bench">
      <h2>One training step of RMT</h2>
      <p class="adapters">{backends.map(adapterOf).join(' ')}</p>
      <p>
        Forward, backward, clipping and Adam for a batch of 32 sequences of 72 tokens in three
        segments: 4 layers, 4 heads of 32, 5 memory tokens. It is the workload <code>step</code> of{' '}
        <code>npm run bench</code>. Close other programs that use the processor; training on this
        page pauses.
      </p>
      <fieldset>
        <legend>Backends</legend>
        {names.map((name) => (
          <label key={name}>
            <input
              type="checkbox"
              checked={!left.includes(name)}
              onChange={() =>
                setLeft(
                  left.includes(name) ? left.filter((other) => other !== name) : [...left, name],
                )
              }
            />{' '}
            {name}
          </label>
        ))}
      </fieldset>
      <div class="transport">
        <button
          type="button"
          class="main"
          disabled={running !== '' || chosen.length === 0}
          onClick={() => {
            setCopied(false);
            measure(chosen, steps);
          }}
        >
          Measure
        </button>
        <button type="button" disabled={rows.length === 0 || running !== ''} onClick={copy}>
          Copy as Markdown
        </button>
        <NumberField label="Timed steps" value={steps} range={[1, 50]} onChange={setSteps} />
        <p class="status" role="status">
          {running ? `Measuring ${running}.` : copied ? 'Copied.' : rows.length > 0 ? 'Done.' : ''}
        </p>
      </div>
      {rows.length > 0 && (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls
        <section class="scroll" tabIndex={0} aria-label="Results">
          <table>
            <thead>
              <tr>
                {head.map((title) => (
                  <th key={title} scope="col">
                    {title}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {rows.map((row) => (
                <tr key={row.backend}>
                  <th scope="row">{row.backend}</th>
                  {row.timed ? (
                    cellsOf(row.timed).map((cell, i) => <td key={head[i + 1]}>{cell}</td>)
                  ) : (
                    <td class="why" colSpan={head.length - 1}>
                      {row.error}
                    </td>
                  )}
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      )}
    </section>
  );
}

function cellsOf({ milliseconds, first, tokens, loss }: Timed): string[] {
  const sorted = [...milliseconds].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  const median = sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
  return [
    median.toFixed(1),
    `${sorted[0].toFixed(1)}–${(sorted.at(-1) as number).toFixed(1)}`,
    first.toFixed(0),
    Math.round((1000 * tokens) / median).toLocaleString('en'),
    loss.toFixed(4),
  ];
}

/** Describes the adapter of a backend in a sentence. */
function adapterOf({ name, adapter, software }: Available): string {
  if (!software) return `${name} computes on ${adapter}.`;
  return `${name} computes on ${adapter}: software rendering on the processor, so its times say nothing about a GPU.`;
}

function markdown(rows: readonly Row[], backends: readonly Available[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [
    line(head),
    line(head.map((_, i) => (i === 0 ? '---' : '---:'))),
    ...rows.map(({ backend, timed, error = '' }) =>
      line([backend, ...(timed ? cellsOf(timed) : [error, '', '', '', ''])]),
    ),
    '',
    ...backends.map(adapterOf),
    navigator.userAgent,
    '',
  ].join('\n');
}
