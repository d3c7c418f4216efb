/**
 * Two people label a round at the same time, by keys alone, one on a phone's size. One closes the browser in the middle, and the Temporal
 * server and the worker are killed. Every vote that the page has confirmed is in the artifact once, and the round trains on them.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { readQuestion } from '../../activities/people/questions.ts';
import { readVotes } from '../../activities/people/votes.ts';
import { LocalStore } from '../../artifacts/local-store.ts';
import { inputOf } from '../../artifacts/manifest.ts';
import { contentOf } from '../../data/conversation.ts';
import { parseJsonl } from '../../data/jsonl.ts';
import { uniformStream } from '../../data/random.ts';
import { preferenceSchema } from '../../data/records.ts';
import { findTemporal } from '../../workers/dev-server/temporal-binary.ts';
import type { RunStatus } from '../../workflows/status.ts';
import { launchChromium } from '../chromium.ts';
import { addressOf, selm, startSelm, summaryOf, type Running } from '../command.ts';
import { untilReady } from '../dev-server.ts';
import { freePort } from '../free-port.ts';
import { jsonl } from '../jsonl.ts';
import { temporaryFolder } from '../temporary.ts';
import { tinyModel, tinyPrompts } from '../tiny-model.ts';
import { PHONE, visit } from './label/visitor.ts';

const PAIRS = 40;
const folder = temporaryFolder();
const env: Record<string, string> = { SELM_HOME: join(folder, 'home') };
let port: number;
let server: ChildProcess;
let worker: Running;
let ui: Running;
let browser: Browser;
let origin: string;

async function startServer(): Promise<ChildProcess> {
  const place = ['--ip', '127.0.0.1', '--port', String(port), '--db-filename', join(folder, 'temporal.db')];
  const flags = ['server', 'start-dev', '--headless', '--log-level', 'error', ...place];
  const started = spawn(await findTemporal(console.error), flags, { stdio: 'ignore' });
  await untilReady(`127.0.0.1:${port}`);
  return started;
}

beforeAll(async () => {
  tinyModel(join(folder, 'model'));
  // More prompts than questions: the two responses to some are the same.
  writeFileSync(join(folder, 'train.jsonl'), jsonl(tinyPrompts(PAIRS + 8)));
  writeFileSync(join(folder, 'held-out.jsonl'), jsonl(tinyPrompts(4, 1000)));
  writeFileSync(join(folder, 'guidelines.md'), '# Prefer the response that *you* would rather read\n');
  const config = {
    name: 'people',
    model: './model',
    prompts: { train: './train.jsonl', heldOut: './held-out.jsonl' },
    rounds: 1,
    sample: { maxNewTokens: 12, samplesPerPrompt: 2, temperature: 1, shardSize: 20 },
    label: { by: 'people', votes: 2 * PAIRS, overlap: 0, repeatShare: 0, guidelines: './guidelines.md' },
    optimize: { learningRate: 1e-3, batchSize: 8 },
    evaluate: { maxNewTokens: 12, labeler: { by: 'verifier' } },
  };
  writeFileSync(join(folder, 'run.yaml'), stringify(config));
  port = await freePort();
  env['TEMPORAL_ADDRESS'] = `127.0.0.1:${port}`;
  server = await startServer();
  worker = startSelm(['worker'], env);
  ui = startSelm(['ui', '--label', '--port', '0'], env);
  origin = await addressOf(ui);
  browser = await launchChromium();
});
afterAll(async () => {
  await browser?.close();
  for (const { process, ended } of [worker, ui].filter(Boolean)) {
    process.kill('SIGKILL');
    await ended;
  }
  server?.kill();
});

/** A vote that the page has confirmed: what the person saw, and what they chose. */
interface Confirmed {
  question: string;
  person: string;
  choice: 'left' | 'right' | 'tie' | 'both-bad';
  strength?: string;
  shown: string[];
}
const confirmed: Confirmed[] = [];
const KEYS: [string, string, Confirmed['choice'], string?][] = [
  ['1', 'A much better', 'left', 'much'],
  ['ArrowLeft', 'A slightly better', 'left', 'slightly'],
  ['3', 'Tie', 'tie'],
  ['ArrowRight', 'B slightly better', 'right', 'slightly'],
  ['5', 'B much better', 'right', 'much'],
  ['0', 'Both bad', 'both-bad'],
];

const atWork = (page: Page) => page.locator('#question:not([aria-busy] *), [data-waiting]').first().waitFor();
const leaseOf = (page: Page) => page.locator('#question').getAttribute('data-lease');
const isOver = async (page: Page) => (await page.locator('#question').count()) === 0;

/** Answers the question that is shown, by its key. */
async function vote(page: Page, person: string, random: () => number): Promise<void> {
  const question = (await page.locator('#question').getAttribute('data-question'))!;
  const lease = await leaseOf(page);
  const shown = await page.locator('.response > pre').allTextContents();
  const [key, label, choice, strength] = KEYS[Math.floor(random() * KEYS.length)];
  await page.keyboard.press(key);
  await page.locator(`[data-lease="${lease}"]`).waitFor({ state: 'detached' });
  expect(await page.locator('#status').textContent()).toBe(`Recorded: ${label}.`);
  confirmed.push({ question, person, choice, strength, shown });
}

/** Skips with a key and its reason, undoes it, and is asked the same question again. */
async function skipAndUndo(page: Page): Promise<void> {
  const question = await page.locator('#question').getAttribute('data-question');
  const lease = await leaseOf(page);
  await page.keyboard.press('s');
  await page.keyboard.press('2');
  await page.locator(`[data-lease="${lease}"]`).waitFor({ state: 'detached' });
  await page.keyboard.press('u');
  await page.locator(`[data-question=${question}]`).waitFor();
}

async function join_(link: string, options = {}): Promise<Page> {
  const { page } = await visit(browser, link, options);
  // Raw text is exactly what the artifact has.
  await page.goto(`${origin}/label/people?view=raw`);
  return page;
}

const invite = async (name: string) => (await selm(['label', 'invite', name, '--url', origin], env)).stdout.trim();

it('two people, a closed browser, a killed server and a killed worker', async () => {
  const start = ['start', join(folder, 'run.yaml'), '--set', `label.votes=${PAIRS}`];
  expect(await selm(start, env)).toMatchObject({ code: 0 });
  const links = await Promise.all([invite('ann'), invite('ben')]);
  const ann = await join_(links[0]);
  let ben = await join_(links[1], PHONE);
  // The pages come when the round has sampled: whoever waits is shown the first question.
  await Promise.all([ann, ben].map((page) => page.locator('#question').waitFor()));

  const randomOf = { ann: uniformStream('ann'), ben: uniformStream('ben') };
  const several = async (page: Page, person: 'ann' | 'ben', count: number) => {
    for (let i = 0; i < count && !(await isOver(page)); i++) {
      await vote(page, person, randomOf[person]);
      await atWork(page);
    }
  };
  await Promise.all([several(ann, 'ann', 8), several(ben, 'ben', 6)]);
  await skipAndUndo(ann);

  // Whether this vote arrives is not known: the browser closes with it.
  const open = (await ben.locator('#question').getAttribute('data-question'))!;
  await Promise.all([ben.keyboard.press('1').catch(() => {}), ben.context().close()]);
  ben = await join_(links[1], PHONE);

  const voting = Promise.all([several(ann, 'ann', PAIRS), several(ben, 'ben', PAIRS)]);
  await expect.poll(() => confirmed.length, { interval: 20 }).toBeGreaterThanOrEqual(20);
  for (const killed of [server, worker.process]) {
    killed.kill('SIGKILL');
    await once(killed, 'exit');
  }
  const before = confirmed.length;
  server = await startServer();
  worker = startSelm(['worker'], env);
  await voting;
  expect(confirmed.length).toBeGreaterThan(before);
  await Promise.all([ann, ben].map((page) => page.locator('[data-waiting]').waitFor()));

  const watched = await selm(['watch', 'people', '--json'], env);
  expect(watched.code, watched.stderr).toBe(0);
  const status = summaryOf<RunStatus>(watched);
  expect(status.state).toBe('done');
  await check(status, open);
});

/** Compares what the page has confirmed with the artifacts. @param open the question whose confirmation nobody saw */
async function check({ results: [result] }: RunStatus, open: string): Promise<void> {
  const store = new LocalStore(join(env['SELM_HOME'], 'artifacts'));
  const { recipe } = await store.manifest(result.artifacts.preferences);
  const labels = await store.manifest([recipe.inputs['labels']].flat()[0]);
  const questions = inputOf(labels, 'questions');
  const { votes } = await readVotes(store, [labels.recipe.inputs['votes']].flat()[0]);

  expect(votes).toHaveLength(PAIRS);
  expect(new Set(votes.map(({ question }) => question)).size).toBe(PAIRS);
  const seen = new Map(confirmed.map((one) => [one.question, one]));
  expect(seen.size).toBe(confirmed.length);
  const unseen = votes.filter(({ question }) => !seen.has(question));
  expect(unseen.map(({ question }) => question)).toEqual(unseen.length === 0 ? [] : [open]);

  const chosen: string[] = [];
  for (const { question, person, choice, strength, left, seconds } of votes) {
    const { responses } = await readQuestion(store, questions, question);
    const texts = responses.map(contentOf);
    if (typeof choice === 'number') chosen.push(texts[choice]);
    const one = seen.get(question);
    if (!one) continue;
    expect([one.person, one.strength]).toEqual([person, strength]);
    // On the page: what the artifact says was on the left, and the text of the response that it says was chosen.
    expect(one.shown).toEqual([texts[left], texts[1 - left]].map((text) => text || expect.anything()));
    const side = one.choice === 'left' ? left : one.choice === 'right' ? 1 - left : one.choice;
    expect(choice).toBe(side);
    expect(seconds).toBeGreaterThan(0);
  }
  const preferences = parseJsonl(
    'preferences',
    await store.readText(result.artifacts.preferences, 'preferences.jsonl'),
    preferenceSchema,
  );
  expect(preferences.map((row) => contentOf(row.chosen)).sort()).toEqual(chosen.sort());
  expect(result.label.preferences).toBe(chosen.length);
  expect(inputOf(await store.manifest(result.policy), 'preferences')).toBe(result.artifacts.preferences);
  expect(result.unchanged).toBeUndefined();
}
