/** Checkpoints go both ways between the page and the command line. */
import { spawnSync } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { events, inFolder, memgrad } from '../cli/spawn.js';
import { openPlayground } from './page.js';

const test = suite('checkpoints of the playground');

/** Runs `tar`. */
function tar(...args: string[]): void {
  const { status, stderr } = spawnSync('tar', args, { encoding: 'utf8' });
  assert.is(status, 0, stderr);
}

test('the page saves what the command line evaluates, samples from and trains on', async () => {
  await inFolder(async (folder) => {
    const { result, problems } = await openPlayground(async (page) => {
      await page.getByLabel('Beside it').selectOption('none');
      await page.locator('main[aria-busy="false"]').waitFor();
      await page.getByRole('button', { name: 'Start' }).click();
      await page.getByText('All is learnt').waitFor();
      const answers = page.getByRole('region', { name: 'Held-out sample' });
      await answers.filter({ hasText: '12 of 12 right' }).waitFor();
      const downloading = page.waitForEvent('download');
      await page.getByRole('button', { name: 'Save RMT' }).click();
      const download = await downloading;
      await download.saveAs(join(folder, 'run.tar'));
      const name = download.suggestedFilename();
      await page.getByText('With the command line').click();
      const commands = page.locator('pre code').filter({ hasText: name });
      await commands.waitFor();
      return { name, answers: await answers.innerText(), commands: await commands.innerText() };
    });
    assert.equal(problems, []);
    const [, step] = /^memgrad-rmt-step-(\d+)\.tar$/.exec(result.name) ?? [];
    assert.match(result.commands, `tar -xf ${result.name} -C runs/page`);
    assert.match(result.commands, `--steps ${Number(step) + 1000}`);
    const run = join(folder, 'run');
    await mkdir(run);
    tar('-xf', join(folder, 'run.tar'), '-C', run);

    const evaluated = await memgrad(['eval', run, '--samples', '64', '--json']);
    const [{ accuracy }] = events(evaluated.stdout) as { accuracy: number }[];
    assert.ok(accuracy > 0.95, `${accuracy}`);
    const sampled = await memgrad(['sample', run, '--samples', '1', '--seed', '1', '--json']);
    const [{ prompt, sampled: given }] = events(sampled.stdout) as Record<string, string>[];
    assert.match(result.answers, prompt, 'the same sample as on the page');
    assert.match(result.answers, given, 'and the same answer');
    const more = ['--steps', String(Number(step) + 3), '--samples', '4', '--json'];
    const resumed = await memgrad(['train', '--resume', run, ...more]);
    assert.is(resumed.code, 0, resumed.stderr);
  });
});

test('the page opens a run of the command line, as a folder and as an archive, and goes on with it', async () => {
  await inFolder(async (folder) => {
    const run = join(folder, 'first');
    const options =
      '--length 4 --segment-length 4 --layers 1 --d-model 16 --d-head 8 --d-inner 16 --memory-tokens 4 --steps 400 --stop-at 0.01 --samples 4';
    const trained = await memgrad(['train', ...options.split(' '), '--out', run, '--json']);
    assert.is(trained.code, 0, trained.stderr);
    tar('-cf', join(folder, 'first.tar'), '-C', run, '.');
    const { result, problems } = await openPlayground(async (page) => {
      const box = page.getByRole('region', { name: 'RMT', exact: true });
      await page.getByLabel('Open a folder').setInputFiles(run);
      await page.getByText('first is open: RMT, trained for 20 steps.').waitFor();
      const opened = await box.innerText();
      await page.getByRole('button', { name: 'Step' }).click();
      await box.filter({ hasText: 'Step21' }).waitFor();
      await page.getByLabel('Open an archive').setInputFiles(join(folder, 'first.tar'));
      await page.getByText('first.tar is open').waitFor();
      const again = await box.innerText();
      await page.getByLabel('Open an archive').setInputFiles({
        name: 'broken.tar',
        mimeType: 'application/x-tar',
        buffer: Buffer.alloc(2048, 65),
      });
      const refused = await page.getByRole('alert').innerText();
      const kept = await box.innerText();
      await page.getByRole('button', { name: 'Reset' }).click();
      await box.filter({ hasText: 'Step0' }).waitFor();
      return { opened, again, refused, kept, alerts: await page.getByRole('alert').count() };
    });
    assert.equal(problems, []);
    assert.match(result.opened, /Step\s+20\s/);
    assert.is(result.again, result.opened);
    assert.match(
      result.refused,
      /^broken.tar was not opened. The archive has a damaged header at byte 0/,
    );
    assert.is(result.kept, result.opened, 'what was open stays');
    assert.is(result.alerts, 0);
  });
});

test.run();
