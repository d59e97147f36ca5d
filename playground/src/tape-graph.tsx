/** The tape as a graph: a box for each value, an arrow for each use. */
import { Graph, layout } from '@dagrejs/dagre';
import {
  type ExplainedNode,
  type Explanation,
  isLost,
  knownAt,
  showNode,
  shownNodes,
  showValue,
  stepsOf,
} from 'memgrad/explain';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';

const LETTER = 7.3; // of the monospaced font at 12 px
const LONGEST = 24;
const HEIGHT = 58;
const lineClasses = ['title', 'value', 'slope'];

const cut = (text: string) => (text.length > LONGEST ? `${text.slice(0, LONGEST - 1)}…` : text);

interface Box {
  readonly node: ExplainedNode;
  readonly title: string;
  readonly x: number;
  readonly y: number;
  readonly width: number;
}

interface Edge {
  readonly to: number;
  readonly path: string;
}

interface Drawn {
  readonly boxes: readonly Box[];
  readonly edges: readonly Edge[];
  readonly width: number;
  readonly height: number;
}

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
  /** Where a box is computed; a variable is there from the start. */
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
              tabindex={0} // SVG knows no tabIndex
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

/** Places boxes in layers, from top to bottom where the page is narrow. */
function draw(explanation: Explanation, narrow: boolean): Drawn {
  const graph = new Graph({ multigraph: true });
  graph.setGraph({
    rankdir: narrow ? 'TB' : 'LR',
    nodesep: 14,
    ranksep: 34,
    marginx: 8,
    marginy: 8,
  });
  graph.setDefaultEdgeLabel(() => ({}));
  const nodes = shownNodes(explanation);
  for (const node of nodes) {
    const { id, name, value, shape, gradient } = node;
    const texts = [
      showNode(explanation, node),
      showValue(value, shape),
      `d${name} = ${showValue(gradient ?? [], gradient ? shape : [0])}`,
    ];
    const letters = Math.max(...texts.map((text) => Math.min(LONGEST, text.length)));
    graph.setNode(`${id}`, { width: Math.ceil(letters * LETTER) + 16, height: HEIGHT });
    node.inputs.forEach((from, input) => {
      if (nodes.some(({ id }) => id === from)) graph.setEdge(`${from}`, `${id}`, {}, `${input}`);
    });
  }
  layout(graph);
  const boxes = nodes.map((node): Box => {
    const { x, y, width } = graph.node(`${node.id}`);
    return { node, title: showNode(explanation, node), x, y, width };
  });
  const edges = graph
    .edges()
    .map(({ v, w, name }: { v: string; w: string; name?: string }): Edge => {
      const { points } = graph.edge(v, w, name);
      return { to: +w, path: smooth(points) };
    });
  const { width = 0, height = 0 } = graph.graph();
  return { boxes, edges, width, height };
}

/** A curve through the middles between the points. */
function smooth([first, ...rest]: readonly { x: number; y: number }[]): string {
  const middle = (a: { x: number; y: number }, b: { x: number; y: number }) =>
    `${((a.x + b.x) / 2).toFixed(1)} ${((a.y + b.y) / 2).toFixed(1)}`;
  const at = ({ x, y }: { x: number; y: number }) => `${x.toFixed(1)} ${y.toFixed(1)}`;
  const curves = rest
    .slice(0, -1)
    .map(
      (point, i) =>
        `Q${at(point)} ${i === rest.length - 2 ? at(rest[i + 1]) : middle(point, rest[i + 1])}`,
    );
  return `M${at(first)}${curves.join('')}`;
}

/** Whether the page has the width of a phone. */
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
