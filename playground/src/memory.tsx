/** Memory over segments: its vectors, the derivatives of the loss, and the tokens to erase. */
import { HeatMap } from './heatmap.js';
import type { Erased, Look, Matrix } from './messages.js';

export function Memory({
  look,
  erased,
  onErase,
}: {
  look: Look;
  erased: readonly Erased[];
  onErase: (erased: Erased[]) => void;
}) {
  const { memory, gradients, segments } = look;
  if (memory.length === 0) {
    return (
      <section class="card" aria-label="Memory">
        <h2>Memory</h2>
        <p class="hint">This model has no memory tokens.</p>
      </section>
    );
  }
  const writes = segments.some(({ written }) => written > 0);
  return (
    <section class="card" aria-label="Memory">
      <h2>Memory</h2>
      <p class="hint">
        Each row is a memory token, each column a component; colours show its sign and size. Each
        picture has its own scale, up to its largest number. Point at a cell, or move to it with the
        arrow keys.{' '}
        {writes
          ? 'Nothing is written before segment 1: it reads learned initial values, which are small in a new model.'
          : 'This model writes no memory: every segment reads the same learned numbers.'}
      </p>
      <div class="memories">
        {memory.map((matrix, i) => (
          <figure key={i}>
            <figcaption>
              <span>
                {i < segments.length ? `Read by segment ${i + 1}` : `Written by segment ${i}`}
              </span>
              <span class="hint">{scaleOf(matrix)}</span>
            </figcaption>
            <HeatMap
              title={`Memory vectors ${i < segments.length ? `read by segment ${i + 1}` : `written by segment ${i}`}`}
              summary={`${matrix.rows} memory tokens of ${matrix.columns} numbers; their lengths are ${lengthsOf(matrix).join(', ')}; the strongest colour is ${scaleOf(matrix)}`}
              matrix={matrix}
              most={largest(matrix)}
              cell={[8, 14]}
              rows={matrix.rows < 10 ? numbers(matrix.rows) : undefined}
              describe={(row, column, value) =>
                `Token ${row + 1}, component ${column + 1}: ${Number(value.toPrecision(2))}`
              }
            />
          </figure>
        ))}
      </div>
      {gradients && <Derivatives matrix={gradients} erased={erased} onErase={onErase} />}
    </section>
  );
}

/** A table of derivatives, with a checkbox in each cell that erases the token. */
function Derivatives({
  matrix,
  erased,
  onErase,
}: {
  matrix: Matrix;
  erased: readonly Erased[];
  onErase: (erased: Erased[]) => void;
}) {
  const most = largest(matrix);
  const isErased = (segment: number, token: number) =>
    erased.some((one) => one.segment === segment && one.token === token);
  const toggle = (segment: number, token: number) =>
    onErase(
      isErased(segment, token)
        ? erased.filter((one) => one.segment !== segment || one.token !== token)
        : [...erased, { segment, token }],
    );
  return (
    <>
      <h3>Derivative of the loss by memory token</h3>
      <p class="hint">
        The norm of ∂loss/∂m: how much the loss would change with this token. Tick a token to erase
        it: the segment then reads zeros in its place.
      </p>
      <section
        class="scroll"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls
        tabIndex={0}
        aria-label="Derivative of the loss by memory token"
        data-shows="derivatives"
      >
        <table class="derivatives">
          <thead>
            <tr>
              <td />
              {numbers(matrix.columns).map((token) => (
                <th key={token} scope="col">
                  m{token}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {Array.from({ length: matrix.rows }, (_, segment) => (
              <tr key={segment}>
                <th scope="row">read by segment {segment + 1}</th>
                {Array.from({ length: matrix.columns }, (_, token) => {
                  const norm = matrix.values[segment * matrix.columns + token];
                  return (
                    <td key={token} class={isErased(segment, token) ? 'erased' : ''}>
                      <label>
                        <input
                          type="checkbox"
                          checked={isErased(segment, token)}
                          aria-label={`Erase memory token ${token + 1} before segment ${segment + 1}`}
                          onChange={() => toggle(segment, token)}
                        />{' '}
                        {norm === 0 ? '0' : norm.toPrecision(2)}
                        <i style={{ width: `${most > 0 ? (100 * norm) / most : 0}%` }} />
                      </label>
                    </td>
                  );
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </section>
      <button type="button" disabled={erased.length === 0} onClick={() => onErase([])}>
        Bring all back
      </button>
    </>
  );
}

function numbers(count: number): string[] {
  return Array.from({ length: count }, (_, i) => String(i + 1));
}

function largest({ values }: Matrix): number {
  return values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}

/** The value of the strongest colours. */
function scaleOf(matrix: Matrix): string {
  const most = largest(matrix);
  return most === 0 ? 'all 0' : `±${Number(most.toPrecision(2))}`;
}

function lengthsOf({ rows, columns, values }: Matrix): string[] {
  return Array.from({ length: rows }, (_, row) =>
    Math.hypot(...values.subarray(row * columns, (row + 1) * columns)).toFixed(1),
  );
}
