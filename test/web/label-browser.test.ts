/** The page where people vote, in a browser: what it shows, its keys, what it does when the server is away, and who can use it. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { LocalStore } from '../../artifacts/local-store.ts';
import { SKIP_REASONS } from '../../labelers/people/protocol.ts';
import { RunUnanswered } from '../../workers/temporal/errors.ts';
import type { VoteRequest } from '../../workflows/people/protocol.ts';
import { launchChromium } from '../chromium.ts';
import { temporaryFolder } from '../temporary.ts';
import { memoryDesk, type MemoryDesk } from './label/memory-desk.ts';
import { drawLabelPage } from './label/picture.ts';
import { writeQuestions, type Asked } from './label/questions.ts';
import { serveLabelPages, type Served } from './label/serve.ts';
import { expectAccessible, overflow, PHONE, visit } from './label/visitor.ts';

/** What tries to run in the page, to load from elsewhere, or to change how the page looks. */
const ATTACK = [
  '<script>document.title = "out"</script><img src="http://elsewhere.test/a.png" onerror="document.title = \'out\'">',
  '</div></section></main><style>body { display: none }</style><base href="http://elsewhere.test/">',
  '![a](http://elsewhere.test/b.png) [b](javascript:document.title="out") [c](http://elsewhere.test/c)',
  '<http://elsewhere.test/d> <iframe src="http://elsewhere.test/e"></iframe>',
  '```"><script>document.title = "out"</script>\ncode\n```',
].join('\n\n');

const FORMATTED = [
  '# Title\n\n#### Deeper\n\nA **bold** word, `code_a` and $x_1 * y_2 * z$.',
  '| left | right |\n| :--- | ---: |\n| 1 | 2 |',
  '```ts\nconst a = 1;\n```',
  '\\[\na_1\n- b\n\\]',
  'line one\nline two',
].join('\n\n');

const ASKED: Asked[] = [
  { prompt: 'Which words differ?', responses: ['The cat sat on the mat.', 'The dog sat on the mat, too.'] },
  { prompt: [{ role: 'user', content: 'Format this.' }], responses: [FORMATTED, 'plain'] },
  { prompt: ATTACK, responses: [ATTACK, `other ${ATTACK}`] },
  {
    prompt: [
      { role: 'system', content: 'You are brief.' },
      { role: 'user', content: 'السلام عليكم' },
      { role: 'assistant', content: null, tool_calls: [{ function: { name: 'greet', arguments: {} } }] },
      { role: 'tool', content: '*not emphasis*' },
    ],
    tools: [{ type: 'function', function: { name: 'greet', description: 'Greets.' } }],
    responses: ['وعليكم السلام', ''],
  },
  {
    prompt: 'Write a long text.',
    responses: ['a', 'b'].map((word) => Array.from({ length: 30_000 }, (_, i) => `${word}${i % 977}`).join(' ')) as [
      string,
      string,
    ],
  },
  {
    prompt: 'White space.',
    responses: ['  \n ', `${'w'.repeat(500)}\n\n${'| a '.repeat(60)}|\n${'|--'.repeat(60)}|\n`],
  },
];
const IDS = ASKED.map((_, i) => `q${i + 1}`);
const GUIDELINES = '# What is better\n\nPrefer **correct** responses.\n';
const ROUND = { run: 'demo', round: 2, blocks: ['selm-demo/votes-1'] };

const folder = temporaryFolder();
const store = new LocalStore(join(folder, 'artifacts'));
let browser: Browser;
let served: Served;
let desk: MemoryDesk;
let people = 0;
/** The desk of the test that runs now. */
const current = new Proxy({} as MemoryDesk, { get: (_, key: keyof MemoryDesk) => desk[key] });

beforeAll(async () => {
  served = await serveLabelPages(current, store, folder);
  browser = await launchChromium();
});
afterAll(async () => {
  await browser?.close();
  await served?.stop();
});

const questionsOf = (asked: Asked[]) => writeQuestions(store, asked, GUIDELINES);
beforeEach(async () => {
  desk = memoryDesk({ ...ROUND, questions: await questionsOf(ASKED) }, IDS);
});

/** A new person at the page of the voting. */
async function person(options = {}) {
  const name = `person ${++people}`;
  const link = await served.invite(name);
  const visitor = await visit(browser, link, options);
  await visitor.page.goto(`${served.origin}/label/demo`);
  return { ...visitor, name, link };
}

/** Makes the person's next question this one. */
function askOnly(question: string) {
  desk = memoryDesk(desk.voting!, [question]);
}

const atQuestion = (page: Page, id: string) => page.locator(`[data-question=${id}]`).waitFor();
const status = (page: Page) => page.locator('#status').textContent();
const votes = () => desk.answers.map((answer) => ('vote' in answer ? answer.vote : undefined));
const answered = (given: VoteRequest | undefined) => given && [given.choice, given.strength];

it('each answer has a key; the next question comes at once, and what was recorded is said', async () => {
  const { page, complaints } = await person();
  const keys: [string, string, unknown[]][] = [
    ['1', 'A much better', ['left', 'much']],
    ['ArrowLeft', 'A slightly better', ['left', 'slightly']],
    ['3', 'Tie', ['tie', undefined]],
    ['4', 'B slightly better', ['right', 'slightly']],
    ['Shift+ArrowRight', 'B much better', ['right', 'much']],
    ['0', 'Both bad', ['both-bad', undefined]],
  ];
  for (const [i, [key, label, expected]] of keys.entries()) {
    await atQuestion(page, IDS[i]);
    await page.keyboard.press(key);
    await expect.poll(() => status(page)).toBe(`Recorded: ${label}.`);
    expect(answered(votes()[i])).toEqual(expected);
  }
  await expect.poll(() => page.locator('#title').textContent()).toBe('Thank you');
  expect(await page.locator('[data-waiting]').textContent()).toMatch(/You gave\s+6 votes\./);
  expect(complaints).toEqual([]);
});

it('skips with a reason, and undoes', async () => {
  const { page } = await person();
  for (const [i, reason] of SKIP_REASONS.entries()) {
    await atQuestion(page, IDS[i]);
    await page.keyboard.press('s');
    // The keys of answers are those of reasons now.
    await page.keyboard.press('ArrowLeft');
    await page.keyboard.press(String(i + 1));
    await page.locator(`[data-question=${IDS[i]}]`).waitFor({ state: 'detached' });
    expect(desk.answers[i]).toMatchObject({ skip: { reason }, question: IDS[i] });
  }
  await page.keyboard.press('u');
  await atQuestion(page, 'q6');
  await page.keyboard.press('Backspace');
  await atQuestion(page, 'q5');
  expect(await status(page)).toBe('Undone: answer the question again.');
  expect(await page.locator('#question').textContent()).toContain('You answered this question before');
  await page.keyboard.press('s');
  await page.keyboard.press('Escape');
  await page.keyboard.press('2');
  await expect.poll(() => answered(votes().at(-1))).toEqual(['left', 'slightly']);
});

it('marks the words that differ, shows raw text, and keeps the guidelines and the keys at hand', async () => {
  const { page, complaints } = await person();
  const marks = () =>
    page.locator('.response').evaluateAll((all) => all.map((one) => one.querySelectorAll('mark').length));
  // The first time, the guidelines are open.
  expect(await page.locator('#guidelines strong').textContent()).toBe('correct');
  expect(await page.locator('#guidelines strong').isVisible()).toBe(true);
  await page.keyboard.press('g');
  expect(await page.locator('#guidelines strong').isVisible()).toBe(false);
  await page.keyboard.press('d');
  await page.locator('mark').first().waitFor();
  expect(await page.locator('mark').allTextContents()).toEqual(['cat ', 'dog ', ', too']);
  await page.keyboard.press('d');
  await expect.poll(marks).toEqual([0, 0]);
  await page.keyboard.press('2');
  await atQuestion(page, 'q2');
  const [a] = await page.locator('.response').all();
  expect(await a.locator('strong, th, pre code, br').allTextContents()).toEqual([
    'bold',
    'left',
    'right',
    'const a = 1;\n',
    '\\[\na_1\n- b\n\\]',
    '',
  ]);
  expect(
    await a.locator('h3, h4, h5, h6').evaluateAll((all) => all.map((one) => (one as { localName?: string }).localName)),
  ).toEqual(['h3', 'h4']);
  expect(await a.locator('.math').first().textContent()).toBe('$x_1 * y_2 * z$');
  await page.keyboard.press('r');
  await page.locator('.response > pre').first().waitFor();
  expect(await page.locator('.response > pre').allTextContents()).toEqual([FORMATTED, 'plain']);
  await page.keyboard.press('?');
  expect(await page.locator('#keys').isVisible()).toBe(true);
  // In the list of keys, keys are not answers.
  await page.keyboard.press('1');
  await page.locator('#keys-on').uncheck();
  await page.keyboard.press('Escape');
  await page.keyboard.press('1');
  await page.getByRole('button', { name: 'Tie' }).click();
  await atQuestion(page, 'q3');
  expect(votes().map(answered)).toEqual([
    ['left', 'slightly'],
    ['tie', undefined],
  ]);
  expect(complaints).toEqual([]);
});

it.each(['formatted', 'raw', 'difference'])('what prompts and responses contain does nothing (%s)', async (view) => {
  askOnly('q3');
  const { page, complaints } = await person();
  await page.goto(`${served.origin}/label/demo?view=${view}`);
  await page.getByRole('heading', { name: 'Response B' }).waitFor();
  expect(await page.title()).toBe('selm: label');
  // Script and style are the page's own, and no link leaves it.
  expect(await page.locator('script, style, img, iframe, base, [onerror]').count()).toBe(2);
  const links = page.locator('#work a, .response a');
  expect(await links.evaluateAll((all) => all.map((one) => (one as unknown as { pathname: string }).pathname))).toEqual(
    ['/label/demo', '/label/demo'],
  );
  expect(await page.locator('.response').first().textContent()).toContain('<script>document.title = "out"</script>');
  expect(complaints).toEqual([]);
});

it('conversations have roles, calls and tools; empty and other scripts are shown for what they are', async () => {
  askOnly('q4');
  const { page } = await person();
  expect(await page.locator('.prompt .role').allTextContents()).toEqual(['system', 'user', 'assistant', 'tool']);
  expect(await page.locator('.prompt').textContent()).toContain('Tools that the model may call: greet');
  expect(await page.locator('.prompt li pre').first().textContent()).toContain('"name": "greet"');
  expect(await page.locator('.prompt em').count()).toBe(0);
  expect(await page.locator('.response').last().textContent()).toContain('(empty)');
  const direction = `getComputedStyle(document.querySelector('.response .text')).direction`;
  expect(await page.evaluate(direction)).toBe('rtl');
});

it('texts of 30 000 words are shown and compared', async () => {
  askOnly('q5');
  const { page } = await person();
  await page.keyboard.press('d');
  await page.getByText('too little in common').waitFor();
});

it('without scripts the same forms work, and seconds are measured', async () => {
  const { page, complaints } = await person({ javaScriptEnabled: false });
  await page.getByRole('link', { name: 'Differences' }).click();
  expect(await page.locator('mark').count()).toBe(3);
  await page.getByRole('button', { name: 'B much better' }).click();
  expect(await status(page)).toBe('Recorded: B much better.');
  await page.locator('#skip > summary').click();
  await page.getByRole('button', { name: 'The prompt is unclear' }).click();
  expect(await status(page)).toBe('Skipped.');
  await page.getByRole('button', { name: 'Undo' }).click();
  await atQuestion(page, 'q2');
  expect(votes()[0]).toMatchObject({ choice: 'right', strength: 'much' });
  expect(votes()[0]!.seconds).toBeGreaterThan(0);
  expect(complaints).toEqual([]);
});

it('seconds count from the first time a question was shown, also if the page is loaded again', async () => {
  const { page } = await person();
  const start = Date.now();
  await page.reload();
  await page.reload();
  const reloaded = (Date.now() - start) / 1000;
  await page.keyboard.press('1');
  await atQuestion(page, 'q2');
  expect(votes()[0]!.seconds).toBeGreaterThanOrEqual(reloaded);
  expect(votes()[0]!.seconds).toBeLessThan((Date.now() - start) / 1000 + 5);
});

it('a vote that the server does not take is kept, also if the page is loaded again, and sent until it does', async () => {
  const { page } = await person();
  const { port } = new URL(served.origin);
  await served.stop();
  await page.keyboard.press('1');
  const alert = page.locator('#alert');
  await expect
    .poll(() => alert.textContent())
    .toMatch(/^The server does not answer\. Your answer is kept in this page/);
  // A second answer to the same question is none.
  await page.keyboard.press('5');
  served = await serveLabelPages(current, store, folder, Number(port));
  await atQuestion(page, 'q2');
  expect(await alert.textContent()).toBe('');
  expect(votes().map(answered)).toEqual([['left', 'much']]);

  let isBroken = true;
  desk.before = async () => {
    if (isBroken) throw new Error('the disk is full');
  };
  await page.keyboard.press('4');
  await expect.poll(() => alert.textContent()).toMatch(/^This page failed to render.* Your answer is kept/);
  await page.reload();
  await expect.poll(() => alert.textContent()).toMatch(/Your answer is kept/);
  isBroken = false;
  await atQuestion(page, 'q3');
  expect(votes().map(answered)).toEqual([
    ['left', 'much'],
    ['right', 'slightly'],
  ]);
});

it('an answer whose confirmation was lost is confirmed when it is sent again', async () => {
  const { page } = await person();
  let lost = 0;
  await page.route('**/vote', async (route) => {
    if (lost++ > 0) return route.continue();
    // The server takes it; the browser never hears of it.
    const request = route.request();
    const headers = { ...(await request.allHeaders()), origin: served.origin };
    await fetch(request.url(), { method: 'POST', headers, body: request.postData()!, redirect: 'manual' });
    return route.abort();
  });
  await page.keyboard.press('1');
  await atQuestion(page, 'q2');
  expect(lost).toBe(2);
});

it('a refused answer is said, and the next question comes', async () => {
  const { page } = await person();
  desk.before = async () => void (desk.voting = { ...desk.voting!, round: 3 });
  await page
    .locator('#question [name=lease]')
    .first()
    .evaluate((input) => input.setAttribute('value', 'expired'));
  await page.keyboard.press('1');
  await expect
    .poll(() => page.locator('#alert').textContent())
    .toBe('The question is not held for you any more: answer the next one.');
  expect(desk.answers).toEqual([]);
  await page.locator('[value=expired]').waitFor({ state: 'detached' });
  desk.before = undefined;
  desk.isLate = true;
  await page.keyboard.press('1');
  await expect.poll(() => status(page)).toMatch(/the next round uses your vote\.$/);
});

it('says why there is no question: paused, closed, nothing left; and looks again', async () => {
  desk.refusal = 'Run demo is paused.';
  const { page } = await person();
  expect(await page.locator('[data-waiting]').textContent()).toContain('Run demo is paused.');
  desk.voting = undefined;
  await page.reload();
  expect(await page.locator('[data-waiting]').textContent()).toContain('Run demo asks for no votes at the moment.');
  await page.goto(`${served.origin}/label`);
  expect(await page.locator('#work').textContent()).toContain('No run asks for votes at the moment.');
  desk = memoryDesk({ ...ROUND, questions: await questionsOf(ASKED), deadline: '2030-01-01T12:00:00Z' }, IDS);
  await page.reload();
  expect(await page.locator('#votings td').allTextContents()).toEqual([
    'demo',
    '2',
    '0 votes, 6 to go',
    '0 votes',
    '2030-01-01 12:00 UTC',
  ]);
  // Who waits gets the next question without doing anything, in the view that they have chosen.
  const asked = desk.voting;
  desk.voting = undefined;
  await page.clock.install();
  await page.goto(`${served.origin}/label/demo?view=raw`);
  await page.locator('[data-waiting]').waitFor();
  desk.voting = asked;
  await page.clock.fastForward(10_000);
  await atQuestion(page, 'q1');
  expect(await page.locator('.response > pre').count()).toBe(2);
  // Who waits for a worker gets whatever page there is then.
  const { of } = desk;
  desk.of = () => Promise.reject(new RunUnanswered('demo', undefined));
  await page.reload();
  expect(await page.locator('[data-waiting]').textContent()).toContain('No worker of this run answers at the moment');
  [desk.of, desk.voting] = [of, undefined];
  await page.clock.fastForward(10_000);
  await page.getByText('Run demo asks for no votes at the moment.').waitFor();
  desk.voting = asked;
  await page.goto(`${served.origin}/label/demo/guidelines`);
  expect(await page.locator('#work strong').textContent()).toBe('correct');
});

it.each([
  ['a desktop', {}],
  ['a phone', PHONE],
])('questions are accessible and fit %s', async (_, options) => {
  const { page } = await person(options);
  for (const id of IDS) {
    await atQuestion(page, id);
    if (id === 'q1') {
      await page.keyboard.press('d');
      await page.locator('mark').first().waitFor();
      await expectAccessible(page);
      await page.keyboard.press('d');
      await page.locator('mark').first().waitFor({ state: 'detached' });
    }
    expect(await overflow(page)).toBe(0);
    await page.locator('#skip > summary').click();
    expect(await overflow(page)).toBe(0);
    // The others have nothing that these do not have.
    if (['q2', 'q4', 'q6'].includes(id)) await expectAccessible(page);
    await page.keyboard.press('1');
  }
});

it('the other pages and the list of keys are accessible, too', async () => {
  for (const options of [{}, PHONE]) {
    const { page } = await person(options);
    await page.locator('#keys').evaluate((dialog) => (dialog as unknown as { showModal(): void }).showModal());
    await expectAccessible(page);
    for (const path of ['/label', '/label/demo/guidelines', '/label/none']) {
      await page.goto(served.origin + path);
      expect(await overflow(page)).toBe(0);
      await expectAccessible(page);
    }
  }
});

it('everything is reached by Tab, in the order of the page, with a visible focus', async () => {
  const { page } = await person();
  const order: string[] = [];
  const focused = `(({ activeElement: e }) => [e.value || e.textContent.trim(), getComputedStyle(e).outlineStyle])(document)`;
  for (let i = 0; i < 15; i++) {
    await page.keyboard.press('Tab');
    const [name, outline] = await page.evaluate<[string, string]>(focused);
    expect(outline).not.toBe('none');
    order.push(name.split(/\s+(?=\S$)/)[0]);
  }
  expect(order.join(', ')).toBe(
    'Runs, Policies, Label, Sign out, Keys, Guidelines, Differences, Raw text, ' +
      'left-much, left-slightly, tie, right-slightly, right-much, both-bad, Skip',
  );
});

it('whoever signs out does not vote any more, until they open their link again', async () => {
  const { page, link } = await person(PHONE);
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('heading', { name: 'Signed out' }).waitFor();
  expect(await overflow(page)).toBe(0);
  await expectAccessible(page);
  expect(await page.context().cookies()).toEqual([]);
  await page.goto(`${served.origin}/label/demo`);
  expect(await page.locator('.warning').textContent()).toMatch(/^To vote, open your invitation link first/);
  await page.goto(link);
  await page.goto(`${served.origin}/label/demo`);
  await atQuestion(page, 'q1');
});

const size = (file: string) => statSync(file).size;

it('the picture in the README is of this page', async () => {
  const picture = join(folder, 'label.png');
  await drawLabelPage(browser, join(folder, 'picture'), picture);
  expect(size(picture)).toBeGreaterThan(20_000);
  expect(Math.max(size(picture), size(fileURLToPath(new URL('../../docs/label.png', import.meta.url))))).toBeLessThan(
    200_000,
  );
});
