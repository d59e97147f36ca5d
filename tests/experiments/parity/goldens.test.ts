/** Every golden fixture of the published code, on every backend; and that a wrong number is seen. */
import { readdirSync, readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type ParityRow, parseFixture, runFixture } from '../../../experiments/parity/index.js';
import { memoryReport, setDefaultBackend } from '../../../src/autograd/index.js';
import { type BackendName, loadBackend } from '../../../src/backends/index.js';
import { MemgradError } from '../../../src/errors.js';

const test = suite('parity');

const read = (name: string) => readFileSync(`tests/goldens/${name}.json`);
const goldens = readdirSync('tests/goldens')
  .filter((file) => /^[a-h]\d?_.*\.json$/.test(file))
  .map((file) => file.replace('.json', ''));

async function rowsOf(
  bytes: Uint8Array,
  name: BackendName = 'cpu',
  tolerance = 1e-7,
): Promise<ParityRow[]> {
  const backend = await loadBackend(name);
  setDefaultBackend(backend);
  const rows: ParityRow[] = [];
  const fixture = parseFixture(bytes, 'fixture');
  for await (const row of runFixture(fixture, { backend, tolerance })) rows.push(row);
  return rows;
}

// biome-ignore lint/suspicious/noExplicitAny: a fixture is any JSON, and the changes make it wrong
type Change = (fixture: any) => void;

/** A golden with something changed. */
function changed(name: string, change: Change): Uint8Array {
  const fixture = JSON.parse(read(name).toString());
  change(fixture);
  return new TextEncoder().encode(JSON.stringify(fixture));
}

assert.is(goldens.length, 17);
for (const name of goldens) {
  for (const [backend, tolerance] of [
    ['cpu', 1e-7],
    ['wasm', 2e-5],
  ] as const) {
    test(`${name} on ${backend}`, async () => {
      const before = memoryReport().bytes;
      const rows = await rowsOf(read(name), backend, tolerance);
      assert.ok(rows.length >= 7);
      assert.equal(
        rows.filter(({ pass }) => !pass),
        [],
      );
      assert.is(memoryReport().bytes, before, 'nothing is left over');
    });
  }
}

test('final parameters of five Adam steps agree to 1e-10', async () => {
  for (const name of goldens.filter((golden) => golden.startsWith('g'))) {
    const rows = await rowsOf(read(name), 'cpu', 1e-10);
    assert.ok(rows.some(({ field }) => field.startsWith('final_params.')));
    assert.ok(rows.every(({ pass }) => pass));
  }
});

const faults: [golden: string, field: string, change: Change][] = [
  ['c_rmt_full_bptt', 'forwards[1].logits', (f) => spoil(f.forwards[1].logits)],
  ['c_rmt_full_bptt', 'forwards[2].nll', (f) => spoil(f.forwards[2].nll)],
  ['c_rmt_full_bptt', 'forwards[0].mem_out', (f) => spoil(f.forwards[0].mem_out)],
  ['c_rmt_full_bptt', 'forwards[1].mem_in', (f) => spoil(f.forwards[1].mem_in)],
  ['c_rmt_full_bptt', 'grads.mem_tokens', (f) => spoil(f.grads.mem_tokens)],
  ['c_rmt_full_bptt', 'loss', (f) => (f.loss *= 1.0001)],
  ['d_rmt_bptt1_synthetic', 'forwards[3].mem_out', (f) => spoil(f.forwards[3].mem_out)],
  ['b_txl', 'forwards[2].mems_out[1]', (f) => spoil(f.forwards[2].mems_out[1])],
  ['d3_rmt_lm_bptt0', 'steps[2].grads.r_r_bias', (f) => spoil(f.steps[2].grads.r_r_bias)],
  ['g2_train_txl', 'losses', (f) => (f.float64.losses[4] *= 1.0001)],
  ['g6_train_lm_rmt_bptt0', 'final_params.r_w_bias', (f) => spoil(f.float64.final_params.r_w_bias)],
  ['h_eval_rmt', 'teacher_forced_argmax', (f) => (f.teacher_forced_argmax.data[9] += 1)],
  ['h_eval_rmt', 'free_running_target_preds', (f) => (f.free_running_target_preds.data[40] += 1)],
  ['h_eval_rmt', 'num_correct', (f) => (f.num_correct += 1)],
];
for (const [golden, field, change] of faults) {
  test(`${golden}: a wrong ${field} is seen, and nothing else`, async () => {
    const failed = (await rowsOf(changed(golden, change))).filter(({ pass }) => !pass);
    assert.equal(
      failed.map((row) => row.field),
      [field],
    );
  });
}

function spoil(tensor: { data: number[] }): void {
  tensor.data[tensor.data.length - 1] += 1e-3;
}

test('another configuration gives other numbers', async () => {
  for (const change of [
    (f) => (f.config.clamp_len = 3),
    (f) => (f.config.read_mem_from_cache = true),
    (f) => (f.config.same_length = true),
    (f) => (f.config.mem_len = 7),
    (f) => (f.config.reset_mem_each_segment = true),
    (f) => (f.config.independent_segments = true),
    (f) => (f.config.mem_backprop_depth = 1),
  ] as Change[]) {
    const bytes = changed('e_txl_rmt', (fixture) => {
      change(fixture);
      for (const forward of fixture.forwards) forward.mems_out = null;
    });
    assert.ok((await rowsOf(bytes)).some(({ pass }) => !pass));
  }
});

const unusable: [what: string, change: Change, message: RegExp][] = [
  ['no config', (f) => delete f.config, /^fixture: config is missing, but an object/],
  [
    'no heads',
    (f) => (f.config.n_head = 0),
    /config\.n_head is 0, but a whole number from 1 to 256/,
  ],
  ['half a layer', (f) => (f.config.n_layer = 1.5), /config\.n_layer is 1.5/],
  [
    'more layers than values',
    (f) => (f.config.n_layer = 100),
    /or more, but the file has values for/,
  ],
  ['a missing parameter', (f) => delete f.params.r_w_bias, /has no 'r_w_bias'/],
  ['an unknown parameter', (f) => (f.params.x = f.params.r_w_bias), /no parameter for 'x'/],
  [
    'a short tensor',
    (f) => f.params.r_w_bias.data.pop(),
    /r_w_bias.* has shape \[2, 8\] and 15 values/,
  ],
  [
    'text among numbers',
    (f) => (f.inputs.data[3] = 'x'),
    /inputs\.data\[3\] is "x", but a finite number/,
  ],
  ['a token outside', (f) => (f.inputs.data[3] = 11), /inputs holds 11, but tokens from 0 to 10/],
  ['cutoffs', (f) => (f.config.cutoffs = [5]), /1 cutoffs, expected none/],
  ['dropout', (f) => (f.config.dropout = 0.1), /config\.dropout is 0\.1/],
  ['learnt positions', (f) => (f.config.attn_type = 1), /attn_type is 1, expected 0 or 2/],
  ['a blind mask', (f) => (f.config.same_length = true), /same_length is true and mem_len 0/],
  ['an unknown mode', (f) => (f.config.mode = 'x'), /config\.mode is "x", but synthetic or lm/],
  [
    'a segment that is not there',
    (f) => (f.forwards[0].segment = 7),
    /'logits', which the configured/,
  ],
  ['a short field', (f) => (f.forwards[0].nll = { shape: [1], data: [1] }), /nll has 1 values/],
  [
    'targets of another shape',
    (f) => (f.targets.shape = [9, 4]),
    /inputs are \[18, 2\] and targets \[9, 4\]/,
  ],
];
for (const [what, change, message] of unusable) {
  test(`refuses a fixture with ${what}, and leaves nothing behind`, async () => {
    const before = memoryReport().bytes;
    let error: unknown;
    try {
      await rowsOf(changed('c_rmt_full_bptt', change));
    } catch (thrown) {
      error = thrown;
    }
    assert.instance(error, MemgradError);
    assert.match((error as Error).message, message);
    assert.not.match((error as Error).message, '\n');
    assert.is(memoryReport().bytes, before);
  });
}

test('refuses what is no fixture at all', () => {
  const refusal = (text: string) => {
    try {
      parseFixture(new TextEncoder().encode(text), 'file');
    } catch (error) {
      assert.instance(error, MemgradError);
      return (error as Error).message;
    }
    return '';
  };
  assert.match(refusal('{'), 'file is not valid JSON');
  assert.match(refusal('[]'), 'file has none of the fields');
  assert.match(refusal('null'), 'file has none of the fields');
  assert.match(refusal('{"forwards":1}'), 'config is missing');
  assert.match(refusal(read('units').toString()), 'has none of the fields');
  assert.match(refusal(read('tasks_samples').toString()), 'has none of the fields');
});

test.run();
