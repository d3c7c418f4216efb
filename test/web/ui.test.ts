/** The pages of `selm ui` in a browser: a run that waits for a decision, goes on and ends, on a real server with real workers. */
import { writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { roundRows } from '../../report/rounds.ts';
import { findRun, startRun } from '../../workers/runs/runs.ts';
import { loadConfig } from '../../config/load.ts';
import type { RunStatus } from '../../workflows/status.ts';
import { launchChromium } from '../chromium.ts';
import { addressOf, selm, startSelm, type Running } from '../command.ts';
import { startDevServer, type DevServer } from '../dev-server.ts';
import { temporaryFolder } from '../temporary.ts';
import { tinyModel, tinyPrompts } from '../tiny-model.ts';

const folder = temporaryFolder();
let server: DevServer;
let client: Client;
let browser: Browser;
let env: Record<string, string>;
let worker: Running;
let ui: Running;
let origin: string;

/** With one answer a prompt no preference can come of it: the run waits for a decision. */
const config = (name: string) => {
  const settings = {
    sample: { maxNewTokens: 12 },
    evaluate: { maxNewTokens: 12 },
    optimize: { learningRate: 1e-3, batchSize: 8 },
  };
  writeFileSync(
    join(folder, `${name}.yaml`),
    stringify({ name, model: './model', prompts: { train: './train.jsonl', heldOut: 4 }, rounds: 1, ...settings }),
  );
  return loadConfig(join(folder, `${name}.yaml`));
};

/** Prompts that try to break out of the page. */
const prompts = tinyPrompts(24).map((row) => ({
  ...row,
  prompt: [
    { role: 'user', content: `<script>document.title = "out"</script><img src="http://elsewhere.test/"> ${row.id}` },
  ],
}));

beforeAll(async () => {
  server = await startDevServer();
  env = { SELM_HOME: join(folder, 'home'), TEMPORAL_ADDRESS: server.address };
  tinyModel(join(folder, 'model'));
  writeFileSync(join(folder, 'train.jsonl'), prompts.map((row) => `${JSON.stringify(row)}\n`).join(''));
  client = new Client({ connection: await Connection.connect({ address: server.address, connectTimeout: '30s' }) });
  worker = startSelm(['worker'], env);
  ui = startSelm(['ui', '--port', '0'], env);
  origin = await addressOf(ui);
  browser = await launchChromium();
});
afterAll(async () => {
  await browser?.close();
  for (const { process, ended } of [worker, ui].filter(Boolean)) {
    process.kill('SIGKILL');
    await ended;
  }
  await client?.connection.close();
  server?.stop();
});

/** Opens a page, which may say nothing on the console and ask for nothing but itself, its own script and style, and its events. */
async function visit<T>(path: string, look: (page: Awaited<ReturnType<Browser['newPage']>>) => Promise<T>): Promise<T> {
  const page = await browser.newPage();
  const [said, asked]: [string[], string[]] = [[], []];
  page.on('console', (message) => said.push(message.text())).on('pageerror', ({ message }) => said.push(message));
  page.on('request', (request) => asked.push(request.url()));
  try {
    await page.goto(origin + path);
    const seen = await look(page);
    expect(said).toEqual([]);
    const own = new RegExp(
      `^${origin}(${path}$|/assets/(live|operate)\\.\\w+\\.(js|css)$|${path.replace(/\/$/, '')}/events\\?)`,
    );
    expect(asked.filter((url) => !own.test(url))).toEqual([]);
    expect(await page.locator('script:not([src]), img').count()).toBe(0);
    return seen;
  } finally {
    await page.close();
  }
}

const cellsOf = (path: string, table: string) =>
  visit(path, (page) =>
    page
      .locator(`#${table} tbody tr`)
      .evaluateAll((rows) => rows.map((row) => [...row.children].map((cell) => cell.textContent))),
  );

const asked = async (path: string, init?: RequestInit) => {
  const response = await fetch(origin + path, init);
  const text = await response.text();
  return { status: response.status, headers: response.headers, sentence: /<p[^>]*>([^<]*)<\/p>/.exec(text)?.[1], text };
};

it('without runs and policies says how to come by them', async () => {
  expect((await asked('/')).text).toContain('<code>selm start run.yaml</code>');
  expect((await asked('/policies')).sentence).toMatch(/^No policies yet/);
  expect((await asked('/healthz')).text).toBe('ok');
});

it('a run that waits is told with what failed and the commands that decide, as by selm status', async () => {
  await startRun(client, config('decided'));
  await expect
    .poll(() => cellsOf('/', 'runs'), { interval: 500 })
    .toEqual([['decided', 'parked', '1 of 1', expect.anything(), expect.anything()]]);
  const [[, , , since, remark]] = await cellsOf('/', 'runs');
  const { stdout } = await selm(['status', 'decided'], env);
  expect(stdout).toContain(remark!.trim());
  expect(remark).toContain('selm retry decided | selm skip decided | selm stop decided');
  expect(remark).toContain(`since ${since!.slice(0, 10)}T${since!.slice(11, 16)}`);
});

it('a run in progress is shown with what is done so far, and asked for again', async () => {
  expect(await cellsOf('/runs/decided', 'steps')).toEqual([
    ['sample', 'done', '1 of 1'],
    ['label', 'failed', expect.anything()],
    ['reference', 'waiting', ''],
    ['optimize', 'waiting', ''],
    ['evaluate', 'waiting', ''],
  ]);
  const { headers, text } = await asked('/runs/decided');
  expect(headers.get('refresh')).toBeNull();
  expect(text).toContain('<noscript><meta http-equiv="refresh" content="15" /></noscript>');
  expect(text).toContain('selm retry decided | selm skip decided | selm stop decided');
  expect(text).toContain('<td>start</td>');
});

/** An operator opens the link that `selm ui --operate` prints, and retries the run with two settings. */
async function retryFromPage(): Promise<void> {
  const operating = startSelm(['ui', '--port', '0', '--operate'], env);
  const context = await browser.newContext();
  try {
    const link = await new Promise<string>((found) => {
      let said = '';
      operating.process.stdout!.on('data', (data) => {
        const [url] = /http:\S+token=\S+/.exec((said += data)) ?? [];
        if (url !== undefined) found(url);
      });
    });
    const page = await context.newPage();
    await page.goto(link);
    await page.getByRole('link', { name: 'decided' }).click();
    await page.getByRole('link', { name: 'Retry …' }).click();
    await page.getByLabel('Setting 1').fill('sample.samplesPerPrompt=4');
    await page.getByLabel('Setting 2').fill('sample.temperature=1');
    await page.getByRole('button', { name: 'Retry' }).click();
    expect(await page.locator('.done').textContent()).toContain('Run "decided" is retried.');
    // The page follows the run to its end, with the plots of the round that is done.
    await page.evaluate('window.isSamePage = true');
    await expect.poll(() => page.locator('.lead').textContent()).toMatch(/: done,\s+1 of 1 rounds/);
    expect(await page.locator('figure svg').count()).toBeGreaterThan(5);
    expect(await page.evaluate('window.isSamePage')).toBe(true);
  } finally {
    await context.close();
    operating.process.kill('SIGTERM');
    expect((await operating.ended).code).toBe(0);
  }
}

it('one that has ended is its report, and its policy is listed with where it is from', async () => {
  await retryFromPage();
  const status: RunStatus = await (await findRun(client, 'decided')).result();
  const settings = 'sample\\.samplesPerPrompt=4, sample\\.temperature=1';
  const decision = new RegExp(`^Decision: retry by ${userInfo().username} at .*Z, round 1, ${settings}\\.$`, 'm');
  expect((await selm(['status', 'decided'], env)).stdout).toMatch(decision);
  await expect.poll(() => cellsOf('/', 'runs')).toEqual([['decided', 'done', '1 of 1', expect.anything(), '']]);
  expect(await cellsOf('/runs/decided', 'rounds')).toEqual(roundRows(status));
  await visit('/runs/decided', async (page) => {
    expect(await page.title()).toBe('selm: decided');
    expect(await page.locator('figure svg').count()).toBeGreaterThan(5);
    // The style is the page's own, and is let in.
    const styleOf = (selector: string, property: string) =>
      page.evaluate(`getComputedStyle(document.querySelector('${selector}')).${property}`);
    expect([await styleOf('nav', 'display'), await styleOf('svg text', 'fontSize')]).toEqual(['flex', '11px']);
  });
  expect((await asked('/runs/decided')).text).not.toMatch(/refresh|<script/);
  const [[name, run]] = await cellsOf('/policies', 'policies');
  expect([name, run]).toEqual(['decided@1', 'decided']);
  await visit('/policies', async (page) => {
    expect(await page.locator('details a[href="/runs/decided"]').count()).toBe(1);
    expect(await page.locator('details').textContent()).toMatch(/From round 1 on:\s*sample\.samplesPerPrompt: 4/);
  });
});

it('every answer forbids what is not its own; there is nothing but looking', async () => {
  for (const path of ['/', '/runs/decided', '/nothing']) {
    const { headers } = await asked(path);
    expect(headers.get('content-security-policy')!.split('; ')).toEqual([
      "default-src 'none'",
      "script-src 'self'",
      expect.stringMatching(/^style-src 'sha256-[\w+/]+=' 'self'$/),
      "connect-src 'self'",
      "img-src 'self'",
      "base-uri 'none'",
      "form-action 'self'",
      "frame-ancestors 'none'",
    ]);
    expect(headers.get('referrer-policy')).toBe('same-origin');
    expect([headers.get('x-content-type-options'), headers.get('cache-control')]).toEqual(['nosniff', 'no-store']);
  }
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
    const { status, headers, sentence } = await asked('/runs/decided', { method });
    expect([status, headers.get('allow')]).toEqual([405, 'GET, HEAD']);
    expect(sentence).toMatch(/^These pages are read-only/);
  }
});

it.each([
  ['/runs/nobody', 404, 'There is no run named &quot;nobody&quot;.'],
  ['/runs/decided%2Fround-1', 404, 'There is no run named &quot;decided/round-1&quot;.'],
  ['/runs/%3Cscript%3E', 404, 'There is no run named &quot;&lt;script&gt;&quot;.'],
  ['/nothing', 404, 'There is no page /nothing.'],
])('%s is a page with one sentence', async (path, status, sentence) => {
  expect(await asked(path)).toMatchObject({ status, sentence });
});

it('only names of this machine lead to pages that are served on it alone', async () => {
  const { port } = new URL(origin);
  const statusAt = (host: string) =>
    new Promise((found) => get(origin, { headers: { host } }, ({ statusCode }) => found(statusCode)).end());
  expect(await Promise.all([`localhost:${port}`, `rebound.test:${port}`].map(statusAt))).toEqual([200, 421]);
});

it('without a worker a run in progress is listed, and its page says what to do; the server is asked to end and does', async () => {
  worker.process.kill('SIGTERM');
  await worker.ended;
  await startRun(client, config('lonely'));
  await expect.poll(async () => (await cellsOf('/', 'runs'))[0].slice(0, 2)).toEqual(['lonely', 'unanswered']);
  expect(await asked('/runs/lonely')).toMatchObject({
    status: 503,
    sentence:
      'Run &quot;lonely&quot; does not answer: start a worker for it (selm worker --role control; on this machine, selm run FILE).',
  });
  const events = await fetch(`${origin}/events`);
  ui.process.kill('SIGTERM');
  // The stream of an open page ends: nothing waits for it, or breaks it off.
  expect(await events.text()).toContain('event: sections');
  expect((await ui.ended).code).toBe(0);
});

it('a port that is taken is one sentence', async () => {
  const { port } = new URL(`http://${server.address}`);
  const { code, stderr } = await selm(['ui', '--port', port], env);
  expect([code, stderr]).toEqual([
    2,
    `selm: 127.0.0.1:${port} is not available (EADDRINUSE): give another --port or --host.\n`,
  ]);
});
