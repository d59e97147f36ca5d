/** The attention of one head in one segment, with read and write memory outlined. */
import { type Band, HeatMap } from './heatmap.js';
import type { Look } from './messages.js';
import { percent } from './titles.js';

/** Rows or columns of one kind, of [cache | read memory | tokens | write memory]. */
interface Group {
  readonly name: string;
  readonly from: number;
  readonly count: number;
}

export function Attention({
  look: { segments },
  ...chosen
}: {
  look: Look;
  segment: number;
  layer: number;
  head: number;
}) {
  const segment = segments[Math.min(chosen.segment, segments.length) - 1];
  const layer = segment.attention[Math.min(chosen.layer, segment.attention.length) - 1];
  const matrix = layer[Math.min(chosen.head, layer.length) - 1];
  const { tokens, cached, read, written } = segment;
  const groups = (cache: number): Group[] => {
    let from = 0;
    return [
      ['cache', cache],
      ['read memory', read],
      ['tokens', tokens.length],
      ['write memory', written],
    ].map(([name, count]) => {
      const group = { name: name as string, from, count: count as number };
      from += group.count;
      return group;
    });
  };
  const [queries, keys] = [groups(0), groups(cached)];
  const here = (group: Group) => group.count > 0;
  /** The share of the attention of the `query` rows on the `key` columns. */
  const share = (query: Group, key: Group) => {
    let sum = 0;
    for (let row = query.from; row < query.from + query.count; row++) {
      const start = row * matrix.columns + key.from;
      for (const weight of matrix.values.subarray(start, start + key.count)) sum += weight;
    }
    return sum / query.count;
  };
  const short = (all: Group[]) =>
    all.flatMap(({ name, count }) =>
      name === 'tokens'
        ? tokens
        : Array.from({ length: count }, () =>
            name === 'cache' ? 'c' : name === 'read memory' ? 'r' : 'w',
          ),
    );
  const long = (all: Group[], at: number) => {
    const group = all.find(({ from, count }) => at < from + count) as Group;
    const index = at - group.from;
    return group.name === 'tokens'
      ? `token ${index + 1} '${tokens[index]}'`
      : `${group.name} ${index + 1}`;
  };
  const bands = [...bandsOf(queries, 'row'), ...bandsOf(keys, 'column')];
  const summary = queries
    .filter(here)
    .map((query) => {
      const [most] = keys.filter(here).sort((a, b) => share(query, b) - share(query, a));
      return `${query.name} attends mostly to ${most.name}, ${percent(share(query, most))}`;
    })
    .join('; ');
  return (
    <div class="attention">
      <div>
        <HeatMap
          title="Attention: queries in rows, keys in columns"
          summary={summary}
          matrix={matrix}
          rows={short(queries)}
          columns={short(keys)}
          bands={bands}
          most={1}
          cell={[24, 24]}
          describe={(row, column, weight) =>
            `${long(queries, row)} attends to ${long(keys, column)}: ${percent(weight)}`
          }
        />
        <p class="hint">
          Rows attend to columns; point at a cell, or move to it with the arrow keys.{' '}
          {read > 0 && <span class="read-key">r: read memory</span>}{' '}
          {written > 0 && <span class="write-key">w: write memory</span>}{' '}
          {cached > 0 && <span>c: cache</span>}
        </p>
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls */}
      <section class="scroll" tabIndex={0} aria-label="Where attention goes">
        <table>
          <caption>Where attention goes</caption>
          <thead>
            <tr>
              <td />
              {keys.filter(here).map(({ name }) => (
                <th key={name} scope="col">
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {queries.filter(here).map((query) => (
              <tr key={query.name}>
                <th scope="row">{query.name}</th>
                {keys.filter(here).map((key) => (
                  <td key={key.name}>{percent(share(query, key))}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </section>
    </div>
  );
}

function bandsOf(groups: Group[], axis: Band['axis']): Band[] {
  const colours: Record<string, string> = { 'read memory': '--first', 'write memory': '--second' };
  return groups
    .filter(({ name, count }) => name in colours && count > 0)
    .map(({ name, from, count }) => ({ axis, from, count, colour: colours[name] }));
}
