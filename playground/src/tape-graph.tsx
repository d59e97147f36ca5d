/** The tape as a graph: a box for each value, an arrow for each use. */
import { type Explanation, isLost, knownAt, showValue, stepsOf } from 'memgrad/explain';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { cut, draw, HEIGHT } from './tape-layout.js';

const lineClasses = ['title', 'value', 'slope'];

export function TapeGraph({
  explanation,
  position,
  onMove,
}: {
  explanation: Explanation;
  position: number;
  onMove: (position: number) => void;
}) {
  const narrow = useNarrow();
  const drawn = useMemo(() => draw(explanation, narrow), [explanation, narrow]);
  const steps = stepsOf(explanation);
  const step = steps[position];
  const current = step.kind === 'start' ? undefined : step.node;
  const { values, gradients } = knownAt(explanation, position);
  const scroll = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const box = drawn.boxes.find(({ node }) => node.id === current);
    const view = scroll.current;
    if (!view) return;
    view.scrollTo({
      left: box ? box.x - view.clientWidth / 2 : 0,
      top: box ? box.y - view.clientHeight / 2 : 0,
    });
  }, [current, drawn]);
  /** The step that computes a box; 0 for a variable. */
  const stepOf = (id: number) =>
    Math.max(
      0,
      steps.findIndex((each) => each.kind === 'forward' && each.node === id),
    );
  const direction = step.kind === 'backward' ? 'backward' : 'forward';
  return (
    <div class="card graph" ref={scroll}>
      {/* biome-ignore lint/a11y/useSemanticElements: there is no fieldset in SVG */}
      <svg
        width={drawn.width}
        height={drawn.height}
        role="group"
        aria-label={`The tape as a graph of ${drawn.boxes.length} values; the table below says the same.`}
      >
        <defs>
          <marker
            id="tip"
            viewBox="0 0 8 8"
            refX="7"
            refY="4"
            markerWidth="7"
            markerHeight="7"
            orient="auto-start-reverse"
          >
            <path d="M0 0L8 4L0 8z" />
          </marker>
        </defs>
        {drawn.edges.map(({ to, path }) => {
          const isActive = to === current && (direction === 'backward' || step.kind === 'forward');
          return (
            <path
              key={path}
              class={`edge ${isActive ? direction : ''}`}
              d={path}
              marker-end={isActive && direction === 'backward' ? undefined : 'url(#tip)'}
              marker-start={isActive && direction === 'backward' ? 'url(#tip)' : undefined}
            />
          );
        })}
        {drawn.boxes.map(({ node, title, x, y, width }) => {
          const { id, value, shape, name, kind } = node;
          const shown = values.has(id) ? showValue(value, shape) : '';
          const sum = gradients.get(id);
          const slope = sum ? `d${name} = ${showValue(sum, shape)}` : '';
          const lines = [title, shown, slope].map(cut);
          const lost = (values.has(id) && isLost(value)) || (sum && isLost(sum));
          return (
            // biome-ignore lint/a11y/useSemanticElements: there is no button in SVG
            <g
              key={id}
              class={`box ${kind} ${id === current ? direction : ''} ${lost ? 'lost' : ''}`}
              transform={`translate(${x - width / 2} ${y - HEIGHT / 2})`}
              role="button"
              tabindex={0} // SVG has no tabIndex
              aria-label={lines.join(' ')}
              aria-current={id === current ? 'step' : undefined}
              onClick={() => onMove(stepOf(id))}
              onKeyDown={(event) => {
                if (event.key !== 'Enter' && event.key !== ' ') return;
                event.preventDefault();
                onMove(stepOf(id));
              }}
            >
              <rect width={width} height={HEIGHT} rx="6" />
              {lines.map((line, i) => (
                <text key={lineClasses[i]} x="8" y={16 + 16.5 * i} class={lineClasses[i]}>
                  {`${line} `}
                </text>
              ))}
            </g>
          );
        })}
      </svg>
    </div>
  );
}

/** Whether the page is as narrow as a phone. */
function useNarrow(): boolean {
  const [narrow, setNarrow] = useState(() => query().matches);
  useEffect(() => {
    const list = query();
    const follow = () => setNarrow(list.matches);
    list.addEventListener('change', follow);
    return () => list.removeEventListener('change', follow);
  }, []);
  return narrow;
}

const query = () => matchMedia('(max-width: 48rem)');
