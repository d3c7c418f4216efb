/** A run whose labeler can be gamed, and its report in a browser. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { readDivergences } from '../../activities/divergence.ts';
import { mean } from '../../data/numbers.ts';
import { LocalStore } from '../../artifacts/local-store.ts';
import { roundRows, roundNotes } from '../../report/rounds.ts';
import type { RunStatus } from '../../workflows/status.ts';
import { launchChromium } from '../chromium.ts';
import { selm, summaryOf, type Ended } from '../command.ts';
import { jsonl } from '../jsonl.ts';
import { temporaryFolder } from '../temporary.ts';
import { tinyModel } from '../tiny-model.ts';

const folder = temporaryFolder();
const env = { SELM_HOME: join(folder, 'home') };
const file = (name: string) => join(folder, name);

/** Answers are to have no comma. One prompt tries to break out of the page. */
const prompts = (count: number, first: number) =>
  Array.from({ length: count }, (_, i) => ({
    id: `p${first + i}`,
    prompt: [
      { role: 'user', content: i === 0 ? `<script>document.title = "${first}"</script>` : `Write ${first + i}.` },
    ],
    instruction_id_list: ['punctuation:no_comma'],
    kwargs: [{}],
  }));

const config = {
  name: 'hacked',
  model: './model',
  prompts: { train: './train.jsonl', heldOut: './held-out.jsonl', perRound: 48 },
  rounds: 2,
  sample: { samplesPerPrompt: 8, temperature: 1, maxNewTokens: 24 },
  label: { by: 'module', path: './longer.mjs' },
  optimize: { learningRate: 1e-3, batchSize: 4, epochs: 8, objective: { beta: 0.1 } },
  evaluate: { maxNewTokens: 24, klSamples: 2, secondJudge: { by: 'verifier' }, gate: { minSecondJudgeWinRate: 0.5 } },
};

let run: Ended;
let status: RunStatus;
beforeAll(async () => {
  tinyModel(file('model'));
  writeFileSync(file('train.jsonl'), jsonl(prompts(96, 0)));
  writeFileSync(file('held-out.jsonl'), jsonl(prompts(12, 1000)));
  // The longer a list, the better: what it is a list of does not matter.
  writeFileSync(
    file('longer.mjs'),
    `export default (prompt, answers) => answers.map((text) => text.split(',').length);`,
  );
  writeFileSync(file('run.yaml'), stringify(config));
  run = await selm(['run', file('run.yaml'), '--json'], env);
  expect(run.code, run.stderr).toBe(0);
  status = summaryOf(run);
});

describe('a labeler that can be gamed, with a second judge that training never sees', () => {
  it('has every round rolled back: its score rises, the second judge is not fooled', () => {
    expect(status.results).toHaveLength(2);
    for (const { accepted, evaluation, secondJudge, reasons, warnings } of status.results) {
      expect(evaluation.meanScore).toBeGreaterThan(status.start!.meanScore);
      expect(secondJudge!.evaluation.meanScore).toBeLessThan(secondJudge!.evaluation.against!.opponent.meanScore);
      expect(accepted).toBe(false);
      expect(reasons).toEqual([
        expect.stringMatching(/^By the second judge \(verifier\) .* below minSecondJudgeWinRate of 50\.0 %\.$/),
      ]);
      expect(warnings).toEqual([expect.stringContaining('reward hacking')]);
    }
    // Neither round's policy is kept.
    expect(status.results.map(({ policy }) => policy)).not.toContain(status.policy);
  });

  it('says so where the run is shown', () => {
    for (const note of roundNotes(status)) {
      expect(run.stderr).toContain(note);
      expect(run.stdout).toContain(note);
    }
    expect(run.stdout.match(/rolled back/g)!.length).toBeGreaterThanOrEqual(2);
  });
});

describe('KL divergences from the start', () => {
  it('are those of the artifacts that the evaluation was made of', async () => {
    const store = new LocalStore(join(env.SELM_HOME, 'artifacts'));
    for (const { policy, evaluation, artifacts } of status.results) {
      const { inputs } = (await store.manifest(artifacts.evaluation)).recipe;
      const { klSampled, ...greedy } = evaluation.against!;
      for (const [made, answers, told] of [
        [inputs['divergences'], 1, greedy],
        [inputs['sampledDivergences'], 2, klSampled!],
      ] as const) {
        const shards = made as string[];
        const { recipe } = await store.manifest(shards[0]);
        expect(recipe).toMatchObject({ step: 'divergence', inputs: { policy } });
        const rows = await readDivergences(store, shards);
        expect(rows).toHaveLength(12);
        for (const { kl } of rows) {
          expect(kl).toHaveLength(answers);
          for (const value of kl) expect(value).toBeGreaterThanOrEqual(0);
        }
        expect(told.kl).toBeCloseTo(mean(rows.flatMap(({ kl }) => kl)), 10);
        expect(told.klInterval!.low).toBeLessThan(told.kl!);
      }
    }
  });

  it('are shown as the run goes', () => {
    for (const { evaluation } of status.results) {
      const { kl, klSampled } = evaluation.against!;
      const shown = `${kl!.toFixed(2)} (${klSampled!.kl.toFixed(2)} sampled)`;
      expect(run.stderr).toContain(`KL ${shown}, rolled back.`);
      expect(run.stdout).toContain(shown);
    }
  });
});

describe('selm report', () => {
  let browser: Browser;
  beforeAll(async () => {
    const ended = await selm(['report', 'hacked', '--out', file('report.html'), '--price', '3600', '--json'], env);
    expect(ended.code, ended.stderr).toBe(0);
    expect(summaryOf(ended)).toEqual({
      page: file('report.html'),
      metrics: file('report.metrics.jsonl'),
      tensorboard: file('report.tensorboard'),
    });
    browser = await launchChromium();
  });
  afterAll(() => browser?.close());

  it.each([
    ['on a screen', 1100, 'light'],
    ['on a phone in the dark', 380, 'dark'],
  ] as const)('is a page that needs nothing else, %s', async (_, width, colorScheme) => {
    const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme });
    const [said, asked]: [string[], string[]] = [[], []];
    page.on('console', (message) => said.push(message.text())).on('pageerror', ({ message }) => said.push(message));
    page.on('request', (request) => asked.push(request.url()));
    const address = pathToFileURL(file('report.html')).href;
    await page.goto(address);
    expect(said).toEqual([]);
    expect(asked).toEqual([address]);
    // What an answer or a prompt holds is text.
    expect(await page.title()).toBe('selm: hacked');
    expect(await page.locator('script').count()).toBe(0);
    const cells = await page
      .locator('#rounds tbody tr')
      .evaluateAll((rows) => rows.map((row) => [...row.children].map((cell) => cell.textContent)));
    expect(cells).toEqual(roundRows(status));
    expect(await page.locator('.warning').allTextContents()).toEqual(roundNotes(status));
    const pictures = page.locator('figure svg');
    expect(await pictures.count()).toBe(9);
    for (const picture of await pictures.all()) expect((await picture.boundingBox())!.width).toBeGreaterThan(300);
    // Nothing is wider than the window: wide tables scroll by themselves.
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width);
    await page.close();
  });

  it('goes back to the bytes that came in', () => {
    const html = readFileSync(file('report.html'), 'utf8');
    for (const { policy, artifacts } of status.results) {
      for (const address of [policy, artifacts.preferences, artifacts.evaluation]) expect(html).toContain(address);
    }
    expect(html).toContain('import-policy');
    expect(html).toContain(status.promise!);
    expect(html).toMatch(/prompts\.jsonl.*sha256 [0-9a-f]{64}/);
  });

  it('has the times of every step, and their cost', async () => {
    const page = await browser.newPage();
    await page.goto(pathToFileURL(file('report.html')).href);
    const rows = await page
      .locator('#times tbody tr')
      .evaluateAll((found) => found.map((row) => [...row.children].map((cell) => cell.textContent!)));
    const steps = ['sample', 'label', 'reference', 'optimize', 'evaluate'];
    expect(rows.map(([round, step]) => `${round} ${step}`.trim())).toEqual([
      'prepare',
      'start',
      ...[1, 2].flatMap((round) => steps.map((step) => `round ${round} ${step}`)),
      'all',
    ]);
    for (const [, step, , model, , cost] of rows.filter(([, step]) => step === 'optimize')) {
      expect([step, Number(cost)]).toEqual(['optimize', expect.closeTo(parseFloat(model), 0)]);
      expect(Number(cost)).toBeGreaterThan(0);
    }
    await page.close();
  });

  it("has the run's numbers as rows beside it", () => {
    const rows = readFileSync(file('report.metrics.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, number>);
    const measured = rows.filter((row) => 'eval/win_rate' in row);
    expect(measured.map((row) => row['eval/win_rate'])).toEqual(
      status.results.map(({ evaluation }) => evaluation.against!.winRate),
    );
    for (const [metric, of] of [
      ['eval/kl', 'kl'],
      ['eval/kl_per_token', 'klPerToken'],
    ] as const) {
      expect(measured.map((row) => row[metric])).toEqual(
        status.results.map(({ evaluation }) => evaluation.against![of]),
      );
      const sampled = metric.replace('kl', 'kl_sampled');
      expect(measured.map((row) => row[sampled])).toEqual(
        status.results.map(({ evaluation }) => evaluation.against!.klSampled![of]),
      );
    }
    const losses = rows.filter((row) => 'train/loss' in row).map(({ step }) => step);
    expect(losses).toEqual(Array.from({ length: losses.length }, (_, i) => i + 1));
  });

  it('of a run that is not there says so', async () => {
    const { code, stderr } = await selm(['report', 'nobody'], env);
    expect([code, stderr]).toEqual([2, 'selm: There is no run named "nobody".\n']);
  });
});
