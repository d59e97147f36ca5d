/** The layout of a tape's boxes and arrows. */
import { Graph, layout } from '@dagrejs/dagre';
import {
  type ExplainedNode,
  type Explanation,
  showNode,
  shownNodes,
  showValue,
} from 'memgrad/explain';

const GAP = 14; // between boxes of a layer, in pixels
const LAYER = 34; // between layers
const MARGIN = 8;
/**
 * The maximum number of layers crossed by all arrows together; beyond it dagre would block the page
 * for half a second or more.
 */
const LONGEST_SPAN = 300;
const LETTER = 7.3; // of the monospaced font at 12 px
const LONGEST = 24;
export const HEIGHT = 58;

export const cut = (text: string) =>
  text.length > LONGEST ? `${text.slice(0, LONGEST - 1)}…` : text;

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

export interface Drawn {
  readonly boxes: readonly Box[];
  readonly edges: readonly Edge[];
  readonly width: number;
  readonly height: number;
}

/** Lays out boxes in layers, from left to right, or top to bottom if the page is narrow. */
export function draw(explanation: Explanation, narrow: boolean): Drawn {
  const ranks = ranksOf(explanation);
  const span = explanation.nodes.reduce(
    (sum, { id, inputs }) => sum + inputs.reduce((part, from) => part + ranks[id] - ranks[from], 0),
    0,
  );
  return span > LONGEST_SPAN
    ? drawSimply(explanation, ranks, narrow)
    : drawWell(explanation, narrow);
}

function drawWell(explanation: Explanation, narrow: boolean): Drawn {
  const graph = new Graph({ multigraph: true });
  graph.setGraph({
    rankdir: narrow ? 'TB' : 'LR',
    nodesep: GAP,
    ranksep: LAYER,
    marginx: MARGIN,
    marginy: MARGIN,
  });
  graph.setDefaultEdgeLabel(() => ({}));
  const nodes = shownNodes(explanation);
  for (const node of nodes) {
    const { id } = node;
    graph.setNode(`${id}`, { width: widthOf(explanation, node), height: HEIGHT });
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

/** A curve through the midpoints between the points. */
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

/**
 * The rank of each node: the longest path of operations before it. A leaf is ranked just before its
 * first use.
 */
function ranksOf({ nodes }: Explanation): number[] {
  const ranks: number[] = [];
  for (const { id, inputs } of nodes) {
    ranks[id] = inputs.reduce((rank, from) => Math.max(rank, ranks[from] + 1), 0);
  }
  for (const { id, inputs } of nodes) {
    if (inputs.length > 0) continue;
    const uses = nodes.filter((node) => node.inputs.includes(id)).map((node) => ranks[node.id]);
    if (uses.length > 0) ranks[id] = Math.min(...uses) - 1;
  }
  return ranks;
}

/**
 * Lays out layer by layer, each in order of computation; long arrows run in arcs around the boxes.
 */
function drawSimply(explanation: Explanation, ranks: readonly number[], narrow: boolean): Drawn {
  const nodes = shownNodes(explanation);
  const widths = new Map(nodes.map((node) => [node.id, widthOf(explanation, node)]));
  const widthAt = (id: number) => widths.get(id) ?? 0;
  const layers: number[][] = [];
  for (const { id } of nodes) {
    layers[ranks[id]] ??= [];
    layers[ranks[id]].push(id);
  }
  const filled = layers.filter((layer) => layer !== undefined);
  const across = (id: number) => (narrow ? widthAt(id) : HEIGHT); // size in the direction of a layer
  const along = (id: number) => (narrow ? HEIGHT : widthAt(id));
  const breadth = (layer: readonly number[]) =>
    layer.reduce((sum, id) => sum + across(id) + GAP, -GAP);
  const widest = Math.max(...filled.map(breadth));
  const bulge = 2 * LAYER; // room for arcs
  const centres = new Map<number, { x: number; y: number }>();
  let start = MARGIN;
  for (const layer of filled) {
    const depth = Math.max(...layer.map(along));
    let side = MARGIN + bulge + (widest - breadth(layer)) / 2;
    for (const id of layer) {
      const [near, far] = [side + across(id) / 2, start + depth / 2];
      centres.set(id, narrow ? { x: near, y: far } : { x: far, y: near });
      side += across(id) + GAP;
    }
    start += depth + LAYER;
  }
  const at = (id: number) => centres.get(id) as { x: number; y: number };
  const edges = nodes.flatMap((node) =>
    [...new Set(node.inputs)].flatMap((from): Edge[] => {
      if (!centres.has(from)) return [];
      const [a, b] = [at(from), at(node.id)];
      // A quadratic curve reaches half as far as its control point.
      const arc = ranks[node.id] - ranks[from] > 1 ? 2 * bulge + widest : 0;
      const [tail, tip] = narrow
        ? [`${a.x} ${a.y + HEIGHT / 2}`, `${b.x} ${b.y - HEIGHT / 2}`]
        : [`${a.x + widthAt(from) / 2} ${a.y}`, `${b.x - widthAt(node.id) / 2} ${b.y}`];
      const middle = narrow
        ? `${(a.x + b.x) / 2 - arc} ${(a.y + b.y) / 2}`
        : `${(a.x + b.x) / 2} ${(a.y + b.y) / 2 - arc}`;
      return [{ to: node.id, path: `M${tail}Q${middle} ${tip}` }];
    }),
  );
  const boxes = nodes.map(
    (node): Box => ({
      node,
      title: showNode(explanation, node),
      ...at(node.id),
      width: widthAt(node.id),
    }),
  );
  const [length, room] = [start - LAYER + MARGIN, widest + bulge + 2 * MARGIN];
  return { boxes, edges, width: narrow ? room : length, height: narrow ? length : room };
}

/** The width of a box in pixels, from its texts. */
function widthOf(explanation: Explanation, node: ExplainedNode): number {
  const { name, value, shape, gradient } = node;
  const texts = [
    showNode(explanation, node),
    showValue(value, shape),
    `d${name} = ${showValue(gradient ?? [], gradient ? shape : [0])}`,
  ];
  const letters = Math.max(...texts.map((text) => Math.min(LONGEST, text.length)));
  return Math.ceil(letters * LETTER) + 16;
}
