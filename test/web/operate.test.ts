/** Operators decide about runs in a browser, and see what happens without reloading: on a real server, with stand-ins for activities. */
import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Context } from '@temporalio/activity';
import { serve } from '@hono/node-server';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { LocalStore } from '../../artifacts/local-store.ts';
import { EVERYBODY } from '../../web/access/access.ts';
import { byInvitation } from '../../web/access/by-invitation.ts';
import { Invitations } from '../../web/access/invitations.ts';
import { webApp } from '../../web/app.ts';
import { startRun, type RunHandle } from '../../workers/runs/runs.ts';
import { claim } from '../../workers/voting/voting.ts';
import { launchChromium } from '../chromium.ts';
import { temporaryFolder } from '../temporary.ts';
import { answer, openedVoting } from '../voters.ts';
import { devServer } from '../workflows/server.ts';
import { expectAccessible } from './label/visitor.ts';
import { badInput, StandIns, testConfig, withWorkers } from '../workflows/stand-ins.ts';

const folder = temporaryFolder();
const server = devServer();
const invitations = new Invitations(folder);
let browser: Browser;
let pages: Server;
let origin: string;
let [anna, ben]: BrowserContext[] = [];

beforeAll(async () => {
  const access = byInvitation(invitations, { others: EVERYBODY, secure: false, home: () => '/' });
  const app = webApp(server.environment.client, new LocalStore(join(folder, 'store')), { access, operate: true });
  pages = serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 }) as Server;
  await once(pages, 'listening');
  origin = `http://127.0.0.1:${(pages.address() as AddressInfo).port}`;
  browser = await launchChromium();
  [anna, ben] = await Promise.all(['anna', 'ben'].map((name) => signIn(name)));
});
afterAll(async () => {
  await browser?.close();
  pages?.closeAllConnections();
  pages?.close();
});

/** A browser of a person who has opened the invitation link. */
async function signIn(name: string): Promise<BrowserContext> {
  const context = await browser.newContext();
  const { token } = await invitations.invite(name, 1, true);
  const page = await context.newPage();
  await page.goto(`${origin}/join?token=${token}`);
  await page.close();
  return context;
}

let runs = 0;

/** Starts a run and calls `test` with it. */
async function withRun(
  standIns: StandIns,
  test: (run: RunHandle, name: string, path: string) => Promise<void>,
  settings: object = {},
) {
  const name = `run-${++runs}`;
  await withWorkers(server, standIns, async () => {
    const { handle } = await startRun(server.environment.client, testConfig({ name, ...settings }));
    try {
      await test(handle, name, `${origin}/runs/${name}`);
    } finally {
      await handle.terminate().catch(() => {});
    }
  });
}

/** Opens a page that must not report anything on the console. */
async function open(context: BrowserContext, path: string): Promise<Page> {
  const page = await context.newPage();
  page.on('console', (message) => expect.soft(message.text()).toBe(''));
  page.on('pageerror', (error) => expect.soft(error).toBeUndefined());
  await page.goto(path);
  return page;
}

const decisionsOf = (page: Page) =>
  page.getByRole('navigation', { name: 'Decisions' }).getByRole('link').allTextContents();
const textOf = async (page: Page, selector: string) => (await page.locator(selector).textContent())!.trim();
const seen = (page: Page, selector: string, text: string | RegExp) =>
  expect.poll(() => textOf(page, selector), { interval: 100 }).toMatch(text);

const noPreference = () => badInput('None of the 8 prompts got a preference.');

/** Every round fails until `mended`. */
function failing() {
  const standIns = new StandIns();
  const fault = { mended: false };
  standIns.before.prefer = () => {
    if (!fault.mended) throw noPreference();
  };
  return { standIns, fault };
}

/** A wait that a test ends, or the end of its workers. */
function gate() {
  let release: (() => void) | undefined;
  const released = new Promise<void>((resolve) => (release = resolve));
  return { wait: () => Promise.race([released, Context.current().cancelled]), release: () => release!() };
}

/** Rounds wait in their first step until `release` is called, and fail in the second. */
function held() {
  const { standIns } = failing();
  const { wait, release } = gate();
  // The first call measures the start policy.
  standIns.before.sample = (times) => (times === 1 ? undefined : wait());
  return { standIns, release };
}

it('a run is paused and resumed, and its page follows without being loaded again', async () => {
  const { standIns, release } = held();
  await withRun(standIns, async (run, name, path) => {
    const page = await open(anna, path);
    await seen(page, '#steps', /sample\s*running\s*0 of 1/);
    expect(await decisionsOf(page)).toEqual(['Stop …', 'Pause …']);
    await page.getByRole('link', { name: 'Pause …' }).click();
    expect(await page.locator('#consequences li').allTextContents()).toEqual([
      'The step in progress (sample of round 1) is finished first. Then the run waits until it is resumed and uses no worker.',
      'Nothing is lost: the artifacts of finished steps are reused.',
    ]);
    await page.getByRole('button', { name: 'Pause' }).click();
    expect(new URL(page.url()).pathname).toBe(`/runs/${name}`);
    await seen(page, '.done', `Run "${name}" pauses after the step in progress: selm resume ${name}`);
    await seen(page, '#state', 'running, pause requested, round 1 of 2');

    // The keyboard focus stays where it is while the page changes around it.
    await expectAccessible(page);
    await page.getByRole('link', { name: 'Stop …' }).focus();
    await page.evaluate('window.isSamePage = true');
    release();
    await seen(page, '#state', /^paused, round 1 of 2$/);
    expect(await decisionsOf(page)).toEqual(['Stop …', 'Resume …']);
    expect(await page.evaluate('document.activeElement.textContent')).toBe('Stop …');

    await run.executeUpdate('resume', { args: [{ by: 'somebody else' }] });
    await seen(page, '#state', /^parked, round 1 of 2$/);
    expect(await decisionsOf(page)).toEqual(['Retry …', 'Skip …', 'Stop …']);
    await seen(page, '#run-results', /resume\s*round 1/);
    expect(await page.evaluate('window.isSamePage')).toBe(true);
    await page.close();
  });
});

it('a setting that cannot be is refused beside its field; a retry with one that can be goes on', async () => {
  const { standIns, fault } = failing();
  await withRun(standIns, async (run, _, path) => {
    const page = await open(anna, path);
    await page.getByRole('link', { name: 'Retry …' }).click();
    await page.getByLabel('Setting 1').fill('optimize.learningRate=1e-5');
    await page.getByLabel('Setting 2').fill('sample.temprature=1');
    page.removeAllListeners('console'); // Chromium reports the status 422 of the form.
    await page.getByRole('button', { name: 'Retry' }).click();
    const field = page.getByLabel('Setting 2');
    expect(await field.getAttribute('aria-invalid')).toBe('true');
    const [error] = (await field.getAttribute('aria-describedby'))!.split(' ');
    expect(await textOf(page, `#${error}`)).toBe(
      '--set: there is no key "sample.temprature"; did you mean "sample.temperature"?',
    );
    expect(await page.locator('.error').count()).toBe(1);
    await expectAccessible(page);
    await page.getByLabel('Setting 1').fill('optimize.learningRate');
    await page.getByRole('button', { name: 'Retry' }).click();
    await seen(page, '.error', '--set optimize.learningRate is not a setting: give key=value.');

    fault.mended = true;
    await page.getByLabel('Setting 1').fill('optimize.learningRate=1e-5');
    await page.getByLabel('Setting 2').fill('sample.temperature=0.5');
    await page.getByRole('button', { name: 'Retry' }).click();
    const { state, decisions } = await run.result();
    expect([state, decisions]).toEqual([
      'done',
      [
        {
          at: expect.any(String) as string,
          decision: 'retry',
          by: 'anna',
          round: 1,
          settings: ['optimize.learningRate=0.00001', 'sample.temperature=0.5'],
        },
      ],
    ]);
    const temperatures = standIns
      .callsOf('sample')
      .map(({ settings }) => (settings as { temperature: number }).temperature);
    expect(temperatures).toContain(0.5);
    await page.close();
  });
});

it('of two operators the second learns who has decided before, and that the run has failed again', async () => {
  const { standIns } = failing();
  await withRun(standIns, async (run, name, path) => {
    await expect.poll(async () => (await fetch(path)).text()).toContain('Failed in round 1');
    const pages = await Promise.all([open(anna, `${path}/skip`), open(ben, `${path}/skip`)]);
    const [hers, his] = pages;
    his.removeAllListeners('console'); // Chromium reports the status 409 of the form.
    expect((await hers.locator('#consequences li').first().textContent())?.trim()).toBe(
      'Round 1 of 2 is skipped and trains no policy. Round 2 starts from the start policy.',
    );
    await hers.getByRole('button', { name: 'Skip' }).click();
    await seen(hers, '.done', `Run "${name}" skips what has failed.`);
    await seen(hers, '#state', 'parked, round 2 of 2');
    await his.getByRole('button', { name: 'Skip' }).click();
    await seen(his, '[role=alert]', `Run "${name}" has failed again since: look at the new failure first.`);
    await seen(his, '#consequences', 'Round 2 of 2 is skipped and trains no policy. It is the last round');

    await hers.goto(`${path}/stop`);
    await hers.getByRole('button', { name: 'Stop' }).click();
    expect((await run.result()).state).toBe('stopped');
    await his.getByRole('button', { name: 'Skip' }).click();
    await seen(his, '[role=alert]', `Run "${name}" has ended; selm run starts it again.`);
    expect(await his.locator('button:not(nav *)').count()).toBe(0);
    await hers.goto(path);
    await seen(hers, '#decisions', /anna\s*skip\s*round 1[^]*anna\s*stop\s*round 2/);
    await Promise.all(pages.map((page) => page.close()));
  });
});

it('who is no operator sees the run live, and is offered nothing', async () => {
  const { standIns, release } = held();
  const guest = await browser.newContext();
  await withRun(standIns, async (_, name, path) => {
    const page = await open(guest, path);
    await seen(page, '#state', 'running, round 1 of 2');
    expect(await page.getByRole('navigation', { name: 'Decisions' }).count()).toBe(0);
    release();
    await seen(page, '#state', 'parked, round 1 of 2');
    expect(await page.locator(':is(form, button, .button):not(nav *)').count()).toBe(0);
    await page.goto(origin);
    await seen(page, '#runs', new RegExp(`${name}\\s*parked`));
    await page.close();

    const labeler = (await invitations.invite('lena', 1, false)).token;
    for (const cookie of ['', `selm-session=${labeler}`]) {
      for (const method of ['GET', 'POST']) {
        const headers = { cookie, origin, 'content-type': 'application/x-www-form-urlencoded' };
        const body = method === 'POST' ? '_csrf=' : undefined;
        const { status } = await fetch(`${path}/stop`, { method, headers, body });
        expect(status, `${method} ${cookie}`).toBe(403);
      }
    }
    expect((await (await fetch(path)).text()).match(/parked/g)).not.toBeNull();
  });
});

/** A round asks people for 4 votes. */
const byPeople = (label: object = {}) => ({
  rounds: 1,
  label: { by: 'people', votes: 4, overlap: 0, repeatShare: 0, ...label },
  evaluate: { labeler: { by: 'verifier' } },
});
const consequences = (page: Page) => page.locator('#consequences li').allTextContents();

it('the voting of a round is closed, with the votes that are in and the answer that a person is just giving', async () => {
  const { client } = server.environment;
  const standIns = new StandIns();
  await withRun(
    standIns,
    async (run, name, path) => {
      const voting = await openedVoting(client, name, 1);
      await answer(client, voting, 'lena', 2);
      await claim(client, voting, 'lena');
      const [hers, his] = await Promise.all([open(anna, path), open(ben, `${path}/close-voting`)]);
      await seen(hers, '#run-now', /2 of 4 votes are in \(lena 2\)/);
      expect(await decisionsOf(hers)).toEqual(['Stop …', 'Pause …', 'Close voting …']);
      await hers.getByRole('link', { name: 'Close voting …' }).click();
      expect(await textOf(hers, 'h1')).toBe(`Close voting of run ${name}`);
      expect(await consequences(hers)).toEqual([
        '2 of 4 votes are in. No further question is given. The round goes on when the question that a person holds is answered ' +
          'or free again (label.leaseMinutes).',
        'Questions without votes give no preference. Prompts that nobody was asked about are labeled by label.otherwise (verifier).',
        'The voting cannot be opened again. The votes are kept.',
      ]);
      await expectAccessible(hers);
      // Both decide at once.
      const both = [hers, his];
      for (const page of both) page.removeAllListeners('console'); // Chromium reports the status 409 of a form.
      await Promise.all(both.map((page) => page.getByRole('button', { name: 'Close voting' }).click()));
      const said = await Promise.all(both.map((page) => textOf(page, '.done, [role=alert]')));
      const [done, refused] = [
        `Run "${name}" goes on with the votes that are in.`,
        `Run "${name}" is closing its voting already.`,
      ];
      expect(said.toSorted()).toEqual([done, refused]);
      await hers.goto(path);
      await seen(hers, '#run-now', /The voting closes: 2 of 4 votes are in/);
      expect(await decisionsOf(hers)).toEqual(['Stop …', 'Pause …']);

      await answer(client, voting, 'lena');
      const { state, decisions } = await run.result();
      expect([state, decisions]).toEqual([
        'done',
        [
          {
            at: expect.any(String) as string,
            decision: 'close voting',
            by: said[0] === done ? 'anna' : 'ben',
            round: 1,
          },
        ],
      ]);
      const stored = standIns.callsOf('storeVotes').map(({ votes }) => (votes as { person: string }[]).length);
      expect(stored).toEqual([3]);
      await Promise.all([hers.close(), his.close()]);
    },
    byPeople({ otherwise: { by: 'verifier' } }),
  );
});

it('a run that has parked at the deadline goes on with the votes that are in', async () => {
  await withRun(
    new StandIns(),
    async (run, _, path) => {
      const page = await open(anna, path);
      await seen(page, '#state', 'parked, round 1 of 1');
      expect(await decisionsOf(page)).toEqual(['Retry …', 'Skip …', 'Stop …', 'Close voting …']);
      await page.getByRole('link', { name: 'Close voting …' }).click();
      expect(await consequences(page)).toEqual([
        '0 of 4 votes are in. No further question is given. Nobody holds a question: the round goes on at once.',
        'Questions without votes give no preference. Prompts that nobody was asked about give none either.',
        'The voting cannot be opened again. The votes are kept.',
        'Without a vote there is no preference to train on, and the round fails.',
      ]);
      await page.getByRole('button', { name: 'Close voting' }).click();
      const { state, decisions } = await run.result();
      expect([state, decisions?.map(({ decision, by }) => `${decision} by ${by}`)]).toEqual([
        'done',
        ['close voting by anna'],
      ]);
      await page.close();
    },
    byPeople({ deadline: 0.0001, atDeadline: 'park' }),
  );
});

it('the loss of a training is plotted while it runs', async () => {
  const standIns = new StandIns();
  const { wait, release } = gate();
  let beat: ((losses: [number, number][]) => void) | undefined;
  standIns.before.optimize = () => {
    const context = Context.current();
    beat = (losses) => context.heartbeat({ done: losses.length, total: 10, unit: 'steps', tokens: 0, losses });
    return wait();
  };
  await withRun(standIns, async (_, __, path) => {
    const page = await open(anna, path);
    await expect.poll(() => beat).toBeDefined();
    beat!([
      [1, 0.7],
      [2, 0.6],
    ]);
    await seen(page, '#run-now figcaption', 'Training loss so far (optimize)');
    expect(await page.locator('#run-now svg').getAttribute('aria-label')).toBe('Training loss so far (optimize)');
    await seen(page, '#activities', '2 of 10 steps');
    await page.close();
    release();
  });
});

it('without scripts, a page in progress reloads itself', async () => {
  const { standIns } = failing();
  const plain = await browser.newContext({ javaScriptEnabled: false });
  await withRun(standIns, async (_, __, path) => {
    const page = await open(plain, path);
    expect(await page.locator('meta[http-equiv=refresh]').getAttribute('content')).toBe('15');
    expect((await fetch(path)).headers.get('refresh')).toBeNull();
    await page.close();
  });
});
