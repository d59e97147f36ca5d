// The script of a report. It reads the data of the runs from the page, and draws with uPlot, which
// is there as a global.
/* global uPlot */
(() => {
  const { version, runs } = JSON.parse(document.getElementById('data').textContent);
  const main = document.querySelector('main');
  const dark = matchMedia('(prefers-color-scheme: dark)').matches;
  const colours = dark
    ? ['#8ab8ff', '#ffb070', '#7fd6a2', '#e6a0ea', '#6fd3e0', '#e3c467', '#ff9c95', '#a4afbe']
    : ['#1f5fbf', '#b3500b', '#176b3a', '#8a2f8f', '#00717f', '#7d5a00', '#b3231f', '#566273'];
  const colourOf = (i) => colours[i % colours.length];
  const ink = dark ? '#a4afbe' : '#566273';
  const rule = dark ? '#343d4a' : '#d5dbe3';
  const number = (value, digits = 4) =>
    value === null || value === undefined ? '–' : String(Number(value.toPrecision(digits)));
  const percent = (value) => (value === null ? '–' : `${(100 * value).toFixed(1)} %`);

  /** An element with attributes and children; text stays text. */
  function element(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  }

  const swatch = (i) => element('span', { class: 'swatch', style: `background: ${colourOf(i)}` });

  function section(title, text, ...children) {
    main.append(element('h2', {}, title));
    if (text) main.append(element('p', {}, text));
    main.append(...children);
  }

  /** A table; the first cell of each row is a list of nodes. */
  function table(head, rows) {
    const isNumber = (i) => (i > 2 ? { class: 'number' } : {});
    const cells = (name, row) => row.map((cell, i) => element(name, isNumber(i), ...[cell].flat()));
    return element(
      'div',
      { class: 'scroll' },
      element(
        'table',
        {},
        element('thead', {}, element('tr', {}, ...cells('th', head))),
        element('tbody', {}, ...rows.map((row) => element('tr', {}, ...cells('td', row)))),
      ),
    );
  }

  /** The steps of all curves, and each curve at these steps. */
  function aligned(curves) {
    const steps = [...new Set(curves.flatMap(({ steps }) => steps))].sort((a, b) => a - b);
    const at = new Map(steps.map((step, i) => [step, i]));
    const columns = curves.map((curve) => {
      const column = Array(steps.length).fill(null);
      curve.steps.forEach((step, i) => {
        column[at.get(step)] = curve.values[i];
      });
      return column;
    });
    return [steps, ...columns];
  }

  /** A card with curves: { label, colour, steps, values }. */
  function chart(title, curves, { isShare = false, isLog = false } = {}) {
    const known = curves.filter(({ values }) => values?.some((value) => value !== null));
    if (known.length === 0) return undefined;
    const card = element('div', { class: 'card' }, element('h3', {}, title));
    const axis = {
      stroke: ink,
      grid: { stroke: rule, width: 1 },
      ticks: { stroke: rule, width: 1 },
    };
    const positive = (value) => (isLog && value !== null && value <= 0 ? null : value);
    const data = aligned(known.map((one) => ({ ...one, values: one.values.map(positive) })));
    const show = (value) => (isShare ? percent(value) : number(value));
    const options = {
      width: 300,
      height: 260,
      scales: {
        x: { time: false },
        y: { distr: isLog ? 3 : 1, range: isShare ? [0, 1] : undefined },
      },
      axes: [
        { ...axis, label: 'step', labelSize: 20, size: 36 },
        {
          ...axis,
          size: 62,
          values: (_, ticks) =>
            ticks.map((tick) =>
              tick === null ? '' : isShare ? `${Math.round(100 * tick)} %` : number(tick, 3),
            ),
        },
      ],
      series: [
        { label: 'step' },
        ...known.map(({ label, colour }) => ({
          label,
          stroke: colour,
          width: 1.5,
          spanGaps: true,
          points: { show: false },
          value: (_, value) => show(value),
        })),
      ],
    };
    const plot = new uPlot(options, data, card);
    const fit = () => plot.setSize({ width: card.clientWidth - 24, height: 260 });
    new ResizeObserver(fit).observe(card);
    return card;
  }

  /** A grid of those charts that have data. */
  const grid = (...charts) => element('div', { class: 'grid' }, ...charts.filter(Boolean));

  const last = (values) => values?.findLast((value) => value !== null) ?? null;
  const compared = (name, title, options) =>
    chart(
      title,
      runs.map((run, i) => ({
        label: run.name,
        colour: colourOf(i),
        steps: run.curves.steps,
        values: run.curves.values[name],
      })),
      options,
    );
  /** The curves of one run whose names begin with `prefix`. */
  const parts = (run, prefix, title) =>
    chart(
      title,
      Object.keys(run.curves.values)
        .filter((name) => name.startsWith(prefix))
        .map((name, i) => ({
          label: name.slice(prefix.length),
          colour: colourOf(i),
          steps: run.curves.steps,
          values: run.curves.values[name],
        })),
      { isLog: true },
    );

  section(
    runs.length === 1 ? 'The run' : 'The runs',
    `Loss and accuracy are those of training at the end of the curves. Written by memgrad ${version}.`,
    table(
      ['run', 'model', 'task', 'seed', 'steps', 'parameters', 'loss', 'accuracy'],
      runs.map((run, i) => [
        [swatch(i), run.name],
        run.config.model.name,
        run.config.task.name,
        String(run.config.seed),
        String(last(run.curves.steps) ?? 0),
        run.saved ? run.saved.parameters.toLocaleString('en') : 'nothing saved',
        number(last(run.curves.values.loss)),
        percent(last(run.curves.values.accuracy)),
      ]),
    ),
  );
  section(
    'Training',
    'Drag over a curve to enlarge a range of steps; a double click shows all of it again.',
    grid(
      compared('loss', 'Loss (nats)'),
      compared('accuracy', 'Accuracy', { isShare: true }),
      compared('gradientNorm', 'Norm of all gradients', { isLog: true }),
      compared('learningRate', 'Learning rate'),
    ),
  );
  section(
    'Gradients',
    'By layer: where a step changes the model. By segment: the norm of the gradient by the state before that segment, which says how strongly later segments depend on what crosses the border.',
    grid(
      ...runs.flatMap((run) => [
        parts(run, 'layer ', `${run.name}: gradient norms by layer`),
        parts(run, 'segment ', `${run.name}: gradient norms by segment`),
      ]),
    ),
  );

  /** What the model said, with what differs from the right answer marked. */
  function marked(sampled, answer) {
    const [said, right] = [[...sampled], [...answer]];
    return said.map((character, i) =>
      element('span', { class: character === right[i] ? 'right' : 'wrong' }, character),
    );
  }

  const cards = runs
    .map((run, i) => [run, i])
    .filter(([run]) => run.samples.length > 0)
    .map(([run, i]) =>
      element(
        'div',
        { class: 'card' },
        element('h3', {}, swatch(i), run.name),
        ...run.samples.map(({ prompt, answer, sampled }) =>
          element(
            'dl',
            {},
            ...[
              ['prompt', [prompt]],
              ['right answer', [answer]],
              ['given answer', marked(sampled, answer)],
            ].flatMap(([name, text]) => [
              element('dt', {}, name),
              element('dd', {}, element('code', {}, ...text)),
            ]),
          ),
        ),
      ),
    );
  if (cards.length > 0) {
    section(
      'Samples',
      'Held-out prompts and what the newest checkpoint answers, taking the likeliest token each time.',
      element('div', { class: 'grid' }, ...cards),
    );
  }

  /** The configuration as rows: a path, and the value in each run. */
  function flat(value, path = '', rows = new Map()) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      rows.set(path, JSON.stringify(value));
    } else {
      for (const [name, part] of Object.entries(value))
        flat(part, path ? `${path}.${name}` : name, rows);
    }
    return rows;
  }
  const configs = runs.map(({ config }) => flat(config));
  const paths = [...new Set(configs.flatMap((config) => [...config.keys()]))];
  const rows = paths.map((path) => {
    const values = configs.map((config) => config.get(path) ?? '–');
    const differs = new Set(values).size > 1;
    const cells = [path, ...values].map((text) => element('td', {}, text));
    return { differs, row: element('tr', differs ? { class: 'differs' } : {}, ...cells) };
  });
  rows.sort((a, b) => Number(b.differs) - Number(a.differs));
  section(
    'Configuration',
    runs.length > 1 ? 'What differs comes first, in bold.' : '',
    element(
      'div',
      { class: 'scroll' },
      element(
        'table',
        {},
        element(
          'thead',
          {},
          element(
            'tr',
            {},
            element('th', {}, 'option'),
            ...runs.map((run, i) => element('th', {}, swatch(i), run.name)),
          ),
        ),
        element('tbody', {}, ...rows.map(({ row }) => row)),
      ),
    ),
  );
})();
