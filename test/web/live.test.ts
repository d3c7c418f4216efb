/** Streams of events: real requests to a server whose page the test changes. */
import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { serve } from '@hono/node-server';
import { Hono } from 'hono';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { InputError } from '../../data/errors.ts';
import { html } from '../../report/html.ts';
import { explain } from '../../web/explain.ts';
import type { WebEnv } from '../../web/identity.ts';
import { EventStreams } from '../../web/live/events.ts';
import type { Snapshot } from '../../web/live/sections.ts';
import { problem } from '../../web/respond.ts';

/** The page: a text that everybody sees, and one for operators. */
const FRESH = { text: 'first', ended: false, reads: 0, failure: undefined as Error | undefined };
const page = { ...FRESH };
/** While readings are held: those that wait. */
let held: (() => void)[] | undefined;
let server: Server;
let origin: string;
let requests = 0;
/** Open streams' ends. */
const leaves = new Set<() => void>();

async function read(): Promise<Snapshot> {
  page.reads++;
  if (held) await new Promise<void>((resolve) => held!.push(resolve));
  if (page.failure) throw page.failure;
  const section = (isOperator: boolean) => [
    { id: 'text', content: html`<p>${page.text}</p>` },
    { id: 'decisions', content: html`${isOperator && 'Stop'}` },
  ];
  return { sections: { viewer: section(false), operator: section(true) }, ended: page.ended };
}

beforeAll(async () => {
  const app = new Hono<WebEnv>();
  const streams = new EventStreams(4);
  app.use((c, next) => {
    requests++;
    c.set('identity', { roles: c.req.query('operator') === undefined ? ['viewer'] : ['viewer', 'operator'] });
    return next();
  });
  app.get('/events', (c) => streams.respond(c, 0.02, read));
  app.onError((error, c) => problem(c, ...explain(error, c.req.path)));
  server = serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 }) as Server;
  await once(server, 'listening');
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => server.close());
afterEach(async () => {
  for (const leave of leaves) leave();
  leaves.clear();
  for (const release of held ?? []) release();
  held = undefined;
  await idle();
  Object.assign(page, FRESH);
});

interface Message {
  event: string;
  data: string;
  id?: string;
}

/** Opens a stream. `next` waits for its next event. */
async function open(query = '', headers: Record<string, string> = {}) {
  const leaving = new AbortController();
  const leave = () => leaving.abort();
  leaves.add(leave);
  const response = await fetch(`${origin}/events${query}`, { headers, signal: leaving.signal });
  const messages = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = '';
  const next = async (): Promise<Message | undefined> => {
    while (!buffer.includes('\n\n')) {
      const { done, value } = await messages.read();
      if (done) return undefined;
      buffer += value;
    }
    const [message, ...rest] = buffer.split('\n\n');
    buffer = rest.join('\n\n');
    return Object.fromEntries(message.split('\n').map((line) => line.split(/: (.*)/s))) as unknown as Message;
  };
  return { response, next, leave };
}

/** Waits until nobody reads the page any more. */
async function idle(): Promise<void> {
  await expect
    .poll(
      async () => {
        const before = page.reads;
        await new Promise((resolve) => setTimeout(resolve, 200));
        return page.reads - before;
      },
      { interval: 10 },
    )
    .toBe(0);
}

const sections = (message?: Message) => JSON.parse(message!.data) as { id: string; html: string }[];

it('a browser gets all sections, then what changes, and the end', async () => {
  const { response, next } = await open();
  expect(response.headers.get('content-type')).toBe('text/event-stream');
  const first = await next();
  expect([first?.event, sections(first)]).toEqual([
    'sections',
    [
      { id: 'text', html: '<p>first</p>' },
      { id: 'decisions', html: '' },
    ],
  ]);
  page.text = '<b>second</b>';
  expect(sections(await next())).toEqual([{ id: 'text', html: '<p>&lt;b&gt;second&lt;/b&gt;</p>' }]);
  page.ended = true;
  expect((await next())?.event).toBe('end');
  expect(await next()).toBeUndefined();
  await idle();
});

it('a browser that comes back gets only what it has not seen, and operators get their own', async () => {
  const one = await open();
  const { id } = (await one.next())!;
  one.leave();
  const again = await open('', { 'last-event-id': id! });
  page.text = 'second';
  expect(sections(await again.next())).toEqual([{ id: 'text', html: '<p>second</p>' }]);
  again.leave();
  const reloaded = await open(`?state=${id}`);
  expect(sections(await reloaded.next()).map((section) => section.id)).toEqual(['text', 'decisions']);
  reloaded.leave();
  const operator = await open('?operator');
  expect(sections(await operator.next())).toContainEqual({ id: 'decisions', html: 'Stop' });
  operator.leave();
  await idle();
});

it('the page is read once for all browsers, and not at all when they have left', async () => {
  held = [];
  const before = requests;
  const opened = Promise.all([open(), open(), open()]);
  await expect.poll(() => requests - before, { interval: 10 }).toBe(3);
  expect(held).toHaveLength(1);
  held.pop()!();
  const streams = await opened;
  for (const { next } of streams) await next();
  for (const text of ['a', 'b', 'c', 'd']) {
    await expect.poll(() => held!.length, { interval: 10 }).toBe(1);
    page.text = text;
    held.pop()!();
    for (const { next } of streams) expect(sections(await next())[0].html).toBe(`<p>${text}</p>`);
  }
  expect(page.reads).toBeLessThanOrEqual(6);
  for (const { leave } of streams) leave();
  for (const release of held) release();
  held = undefined;
  await idle();
});

it('a failure is a sentence while it lasts; a page that cannot be read at first is refused', async () => {
  const { next, leave } = await open();
  await next();
  page.failure = new InputError('Run "a" failed.');
  expect(await next()).toMatchObject({ event: 'problem', data: 'Run "a" failed.' });
  page.failure = undefined;
  expect((await next())?.event).toBe('problem');
  leave();
  await idle();
  page.failure = new InputError('There is no run named "a".');
  const refused = await open();
  expect(refused.response.status).toBe(404);
});

it('there is a limit of open streams, which those that have ended do not count for', async () => {
  const streams = await Promise.all([open(), open(), open(), open()]);
  const beyond = await open();
  expect([beyond.response.status, beyond.response.headers.get('retry-after')]).toEqual([503, '30']);
  for (const { leave } of streams) leave();
  await expect.poll(async () => (await open()).response.status, { interval: 50 }).toBe(200);
});
