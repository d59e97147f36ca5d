/** Where the microscope draws its boxes. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { draw, HEIGHT } from '../../playground/src/tape-layout.js';
import { examples, explain } from '../../src/explain/index.js';

const test = suite('the graph of a tape');

const texts = [
  ...examples.map(({ expression, at }) => ({ expression, at })),
  { expression: `x${' + x'.repeat(99)}`, at: {} },
  { expression: 'x = x * w + b; '.repeat(60), at: {} },
  { expression: Array.from({ length: 60 }, (_, i) => `a${i}`).join(' * '), at: {} },
  { expression: `${'tanh('.repeat(150)}x${')'.repeat(150)}`, at: {} },
  { expression: '2 + 3', at: {} },
  { expression: 'x; y', at: {} },
];

test('boxes stand beside each other, inside the picture, and every use has an arrow, within seconds', async () => {
  for (const { expression, at } of texts) {
    const explanation = await explain(expression, { at });
    for (const narrow of [false, true]) {
      const started = performance.now();
      const { boxes, edges, width, height } = draw(explanation, narrow);
      // dagre took 15 to 40 s where one variable is used a hundred times.
      assert.ok(performance.now() - started < 5000, expression.slice(0, 40));
      for (const [i, a] of boxes.entries()) {
        assert.ok(a.x - a.width / 2 >= 0 && a.x + a.width / 2 <= width, `${expression}: x`);
        assert.ok(a.y - HEIGHT / 2 >= 0 && a.y + HEIGHT / 2 <= height, `${expression}: y`);
        for (const b of boxes.slice(i + 1)) {
          const apart =
            Math.abs(a.x - b.x) >= (a.width + b.width) / 2 - 0.01 ||
            Math.abs(a.y - b.y) >= HEIGHT - 0.01;
          assert.ok(apart, `${expression.slice(0, 40)}: ${a.title} and ${b.title}`);
        }
      }
      for (const { node } of boxes) {
        if (!node.inputs.some((from) => boxes.some((box) => box.node.id === from))) continue;
        assert.ok(
          edges.some(({ to, path }) => to === node.id && /^M[\d.-]+ [\d.-]+Q/.test(path)),
          node.name,
        );
      }
    }
  }
});

test.run();
