/** The pages under attack: forged and stolen links, forms of other sites, floods and large requests, on a real HTTP server. */
import { createHmac, generateKeyPairSync, sign } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join as joinPath } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { LocalStore } from '../../artifacts/local-store.ts';
import { html } from '../../report/html.ts';
import { EVERYBODY } from '../../web/access/access.ts';
import { byInvitation } from '../../web/access/by-invitation.ts';
import { Invitations } from '../../web/access/invitations.ts';
import { webApp } from '../../web/app.ts';
import { csrfField } from '../../web/csrf-field.ts';
import { personOf, type Identity } from '../../web/identity.ts';
import { requireRole } from '../../web/require-role.ts';
import { show } from '../../web/respond.ts';
import { launchChromium } from '../chromium.ts';
import { temporaryFolder } from '../temporary.ts';
import { noVotings } from './label/no-votings.ts';
import { join, servePages, visit, visitRaw } from './pages.ts';

const folder = temporaryFolder();
const invitations = new Invitations(folder);
const client = new Client({ connection: Connection.lazy({ address: '127.0.0.1:1', connectTimeout: 1 }) });
let origin: string;
const closing: (() => void)[] = [];

/** The pages, with one that has a form and says who has sent it. */
async function start(others: Identity = EVERYBODY, secure = false): Promise<string> {
  const app = webApp(client, new LocalStore(joinPath(folder, 'artifacts')), {
    hosts: ['127.0.0.1'],
    access: byInvitation(invitations, { others, secure, home: () => '/form' }),
    label: noVotings,
    operate: true,
  });
  app.get('/form', requireRole('labeler'), (c) =>
    show(c, {
      title: 'form',
      changes: false,
      content: html`<form method="post" action="/form">${csrfField(c)}<button>Send</button></form>`,
    }),
  );
  app.post('/form', requireRole('labeler'), (c) => c.text(`sent by ${personOf(c)}`));
  app.get('/broken/:path', () => {
    throw new Error('It broke.');
  });
  app.post('/decision', requireRole('operator'), (c) => c.text(`decided by ${personOf(c)}`));
  const { origin: at, close } = await servePages(app);
  closing.push(close);
  return at;
}

/** Serves one page, as another site. @returns its address */
async function serveHtml(content: string): Promise<string> {
  const server = createServer((_, response) => response.setHeader('content-type', 'text/html').end(content));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

beforeAll(async () => {
  origin = await start();
});
afterAll(async () => {
  for (const close of closing) close();
  await client.connection.close();
});

/** A person with a session, and the token of the person's forms. */
async function enter(person: string, { operator = false, at = origin } = {}) {
  const { token } = await invitations.invite(person, 1, operator);
  const cookie = await join(at, token);
  const { text } = await visit(`${at}/form`, { headers: { cookie } });
  const csrf = /name="_csrf" value="([\w-]+)"/.exec(text)![1];
  return { token, cookie, csrf };
}

const send = (path: string, headers: Record<string, string>, form: Record<string, string> | string) =>
  visit(origin + path, { method: 'POST', headers, body: typeof form === 'string' ? form : new URLSearchParams(form) });

it('a link opens a session, and is neither in the next address nor sent on', async () => {
  const { token } = await invitations.invite('Ann', 1, false);
  const { status, headers } = await visit(`${origin}/join?token=${token}`);
  expect([status, headers.get('location'), headers.get('referrer-policy'), headers.get('cache-control')]).toEqual([
    303,
    '/form',
    'no-referrer',
    'no-store',
  ]);
  const [cookie] = headers.getSetCookie();
  expect(cookie).toMatch(/^selm-session=[^;]+; Path=\/; Expires=[^;]+; HttpOnly; SameSite=Lax$/);
  const page = await visit(`${origin}/form`, { headers: { cookie: cookie.split(';')[0] } });
  expect(page.text).toContain('Signed in as Ann');
  expect(page.text).not.toContain(token);
});

it('behind https, no other host can set or read the cookie', async () => {
  const at = await start(EVERYBODY, true);
  const { token } = await invitations.invite('Sec', 1, false);
  const { headers } = await visit(`${at}/join?token=${token}`);
  expect(headers.getSetCookie()[0]).toMatch(
    /^__Host-selm-session=[^;]+; Path=\/; Expires=[^;]+; HttpOnly; Secure; SameSite=Lax$/,
  );
  const plain = await visit(`${at}/form`, { headers: { cookie: `selm-session=${token}` } });
  expect(plain.status).toBe(403);
});

const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
const INVALID = 'This invitation link is not valid: it is incomplete, has expired or was revoked; ask for a new one.';

it('no other text than the link is a link', async () => {
  const { invitation, token } = await invitations.invite('Forged', 1, false);
  const key = readFileSync(joinPath(folder, 'people/key'), 'utf8');
  const [header, payload, signature] = token.split('.');
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as { exp: number };
  const signed = (head: object, body: object, by = key, hash = 'sha256') => {
    const text = `${encode(head)}.${encode(body)}`;
    return `${text}.${createHmac(hash, by).update(text).digest('base64url')}`;
  };
  const HS256 = { alg: 'HS256', typ: 'JWT' };
  // The signature of this test is the right one: what follows is refused for what differs.
  expect((await visit(`${origin}/join?token=${signed(HS256, claims)}`)).status).toBe(303);

  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const rs256 = `${encode({ alg: 'RS256', typ: 'JWT' })}.${payload}`;
  const other = await invitations.invite('Other', 1, true);
  const attacks: Record<string, string> = {
    nothing: '',
    'another signature': `${header}.${payload}.${'A'.repeat(signature.length)}`,
    'no signature': `${header}.${payload}.`,
    'two parts': `${header}.${payload}`,
    'another name': `${header}.${encode({ ...claims, sub: 'Admin' })}.${signature}`,
    'a later end': `${header}.${encode({ ...claims, exp: claims.exp + 1 })}.${signature}`,
    'alg none': `${encode({ alg: 'none', typ: 'JWT' })}.${payload}.`,
    'alg none with the signature': `${encode({ alg: 'none', typ: 'JWT' })}.${payload}.${signature}`,
    'alg HS512 with the key': signed({ alg: 'HS512', typ: 'JWT' }, claims, key, 'sha512'),
    'alg RS256': `${rs256}.${sign('sha256', Buffer.from(rs256), privateKey).toString('base64url')}`,
    'another key': signed(HS256, claims, 'f'.repeat(64)),
    'an empty key': signed(HS256, claims, ''),
    'another issuer': signed(HS256, { ...claims, iss: 'other' }),
    'an id that nobody has': signed(HS256, { ...claims, jti: '00000000-0000-4000-8000-000000000000' }),
    "another person's id": signed(HS256, { ...claims, jti: other.invitation.id }),
    'no end': signed(HS256, { ...claims, exp: undefined }),
    'an end in the past': signed(HS256, { ...claims, exp: 1 }),
    'an id only': invitation.id,
    'a long text': 'a.'.repeat(4000),
    'control characters': '%00%0d%0aSet-Cookie:%20x=y',
  };
  // An attacker with as many addresses as links: each link is judged, not the flood.
  const answers = await Promise.all(
    Object.entries(attacks).map(async ([name, text]) => {
      const at = await start();
      const { status, sentence, headers } = await visit(`${at}/join?token=${text}`);
      const asSession = await visit(`${at}/form`, { headers: { cookie: `selm-session=${text}` } });
      return [name, status, sentence, headers.getSetCookie(), asSession.status];
    }),
  );
  expect(answers).toEqual(Object.keys(attacks).map((name) => [name, 403, INVALID, [], 403]));
});

it('an invitation that is revoked or over ends its sessions at the next request', async () => {
  const { token, cookie, csrf } = await enter('Revoked');
  await invitations.revoke('Revoked');
  expect((await visit(`${origin}/form`, { headers: { cookie } })).sentence).toMatch(
    /^To vote, open your invitation link first/,
  );
  expect((await send('/form', { cookie, origin }, { _csrf: csrf })).status).toBe(403);
  expect((await visit(`${origin}/join?token=${token}`)).sentence).toBe(INVALID);

  const short = await invitations.invite('Short', 10 / 24 / 3600, false);
  const session = await join(origin, short.token);
  await expect.poll(async () => (await visit(`${origin}/form`, { headers: { cookie: session } })).status).toBe(403);
  expect((await visit(`${origin}/join?token=${short.token}`)).status).toBe(403);
});

it('a browser that one person uses does not become another person by a link', async () => {
  const { cookie } = await enter('First');
  const { token } = await invitations.invite('Second', 1, false);
  const { status, sentence } = await visit(`${origin}/join?token=${token}`, { headers: { cookie } });
  expect([status, sentence]).toEqual([
    409,
    'This browser is signed in as "First", and the link is for "Second": sign out first, or open it in a private window.',
  ]);
});

it('a person signs out by the form on every page, and only by it', async () => {
  for (const secure of [false, true]) {
    const at = await start(EVERYBODY, secure);
    const { token } = await invitations.invite(`Leaving ${secure}`, 1, false);
    const joined = async () => ({ cookie: await join(at, token), origin: at });
    const headers = await joined();
    const { text } = await visit(`${at}/form`, { headers });
    const [, form] = /<form method="post" action="\/sign-out">([^]*?)<\/form>/.exec(text)!;
    const [, csrf] = /name="_csrf" value="([^"]+)"/.exec(form)!;
    const leave = (by: Record<string, string>, fields: Record<string, string>) =>
      visit(`${at}/sign-out`, { method: 'POST', headers: by, body: new URLSearchParams(fields) });
    for (const refused of [
      await leave(headers, {}),
      await leave({ ...headers, origin: 'https://attacker.test' }, { _csrf: csrf }),
    ])
      expect([refused.status, refused.headers.getSetCookie()]).toEqual([403, []]);
    expect((await visit(`${at}/sign-out?_csrf=${csrf}`, { headers })).status).toBe(404);

    const left = await leave(headers, { _csrf: csrf });
    expect(left.status).toBe(200);
    expect(left.text).toContain('You are signed out in this browser. Your invitation link signs you in again');
    expect(left.text).not.toMatch(/Signed in as|Sign out<|_csrf/);
    const [name] = headers.cookie.split('=');
    expect(left.headers.getSetCookie()).toEqual([`${name}=; Max-Age=0; Path=/${secure ? '; Secure' : ''}`]);
    // Loaded again, it is the same page. The link is still valid.
    expect((await leave({ origin: at }, { _csrf: csrf })).status).toBe(200);
    expect((await visit(`${at}/form`, { headers: await joined() })).status).toBe(200);
  }
});

it('only a form of the same session and site is accepted', async () => {
  const { cookie, csrf } = await enter('Voter');
  const other = await enter('Attacker');
  const form = { _csrf: csrf };
  const accepted: [string, Record<string, string>][] = [
    ['Origin', { cookie, origin }],
    ['Sec-Fetch-Site', { cookie, 'sec-fetch-site': 'same-origin' }],
    ['both', { cookie, origin, 'sec-fetch-site': 'same-origin' }],
  ];
  for (const [name, headers] of accepted)
    expect([name, (await send('/form', headers, form)).text]).toEqual([name, 'sent by Voter']);
  const multipart = new FormData();
  multipart.set('_csrf', csrf);
  expect((await visit(`${origin}/form`, { method: 'POST', headers: { cookie, origin }, body: multipart })).status).toBe(
    200,
  );

  const json = { cookie, origin, 'content-type': 'application/json' };
  const broken = { cookie, origin, 'content-type': 'multipart/form-data; boundary=x' };
  const refused: [string, Record<string, string>, Record<string, string> | string, number][] = [
    ['no session', { origin }, form, 403],
    ['no token', { cookie, origin }, {}, 403],
    ['an empty token', { cookie, origin }, { _csrf: '' }, 403],
    ['a part of the token', { cookie, origin }, { _csrf: csrf.slice(0, -1) }, 403],
    ["another session's token", { cookie, origin }, { _csrf: other.csrf }, 403],
    ['the token twice', { cookie, origin }, `_csrf[]=${csrf}&_csrf[]=${csrf}`, 403],
    ['the token in JSON', json, JSON.stringify(form), 403],
    ['a broken multipart form', broken, 'x', 400],
    ['another origin', { cookie, origin: 'https://attacker.test' }, form, 403],
    ['another port', { cookie, origin: 'http://127.0.0.1:1' }, form, 403],
    ['an origin that begins alike', { cookie, origin: `${origin}.attacker.test` }, form, 403],
    ['an opaque origin', { cookie, origin: 'null' }, form, 403],
    ['no origin', { cookie }, form, 403],
    ['another site', { cookie, origin, 'sec-fetch-site': 'cross-site' }, form, 403],
    ['a subdomain', { cookie, origin, 'sec-fetch-site': 'same-site' }, form, 403],
    ['an address typed by the person', { cookie, 'sec-fetch-site': 'none' }, form, 403],
  ];
  for (const [name, headers, body, status] of refused)
    expect([name, (await send('/form', headers, body)).status]).toEqual([name, status]);
  const inAddress = await send(`/form?_csrf=${csrf}`, { cookie, origin }, {});
  expect([inAddress.status, inAddress.sentence]).toEqual([
    403,
    'This form is not from a page of your session, and nothing was changed: load the page again.',
  ]);
  for (const method of ['PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
    const { status, headers } = await visit(`${origin}/form`, { method, headers: { cookie, origin } });
    expect([method, status, headers.get('allow')]).toEqual([method, 405, 'GET, HEAD, POST']);
  }
  // A decision by a link: GET changes nothing.
  expect((await visit(`${origin}/decision?_csrf=${csrf}`, { headers: { cookie } })).status).toBe(404);
});

it('a real browser sends forms of these pages, but not those of other sites', async () => {
  const { token } = await invitations.invite('Browser', 1, false);
  const seen: string[] = [];
  const browser = await launchChromium();
  try {
    const page = await browser.newPage();
    page.on('request', (request) => seen.push(JSON.stringify([request.method(), request.headers()])));
    await page.goto(`${origin}/join?token=${token}`);
    expect(page.url()).toBe(`${origin}/form`);
    const csrf = await page.inputValue('[name=_csrf]');
    await page.click('[action="/form"] button');
    expect(await page.textContent('body')).toBe('sent by Browser');

    // Another port is another origin of the same site: the browser sends the cookie with its form, even the token has leaked, and
    // only the headers differ.
    const attacker = await serveHtml(
      `<form method="post" action="${origin}/form"><input name="_csrf" value="${csrf}"><button>Win</button></form>`,
    );
    await page.goto(attacker);
    await page.click('button');
    expect(await page.textContent('.warning')).toMatch(/^This form is not from a page of your session/);
    const posted = seen.map((request) => JSON.parse(request) as [string, Record<string, string>]).at(-1)!;
    expect(posted).toEqual(['POST', expect.objectContaining({ origin: new URL(attacker).origin })]);
    // Not in a header of any request, above all not in Referer.
    expect(seen.filter((request) => /"referer":"[^"]*token/.test(request))).toEqual([]);
    expect(seen.length).toBeGreaterThan(3);
  } finally {
    await browser.close();
  }
});

it('large forms are refused, however they are sent', async () => {
  const { cookie, csrf } = await enter('Large');
  const body = `_csrf=${csrf}&reason=${'x'.repeat(20_000)}`;
  const headers = { cookie, origin, 'content-type': 'application/x-www-form-urlencoded' };
  const chunked = new Blob([body]).stream();
  const init = { method: 'POST', headers, body: chunked, duplex: 'half' } as RequestInit;
  for (const answer of [await send('/form', headers, body), await visit(`${origin}/form`, init)])
    expect([answer.status, answer.sentence]).toEqual([413, 'This form is too large.']);
});

it('people do what their role allows', async () => {
  const at = await start({ roles: [] });
  const labeler = await enter('Labeler', { at });
  const operator = await enter('Operator', { at, operator: true });
  const decide = ({ cookie, csrf }: typeof labeler) =>
    visit(`${at}/decision`, {
      method: 'POST',
      headers: { cookie, origin: at },
      body: new URLSearchParams({ _csrf: csrf }),
    });
  expect((await decide(operator)).text).toBe('decided by Operator');
  expect((await decide(labeler)).sentence).toBe('You are signed in as "Labeler", who may not decide about runs.');
  const statusOf = async (path: string, cookie?: string) =>
    (await visit(at + path, { headers: cookie === undefined ? {} : { cookie } })).status;
  for (const path of ['/', '/policies', '/runs/any', '/runs/any/retry'])
    expect([path, await statusOf(path), await statusOf(path, labeler.cookie)]).toEqual([path, 403, 403]);
  expect([await statusOf('/policies', operator.cookie), await statusOf('/form', labeler.cookie)]).toEqual([200, 200]);
  expect([await statusOf('/label'), await statusOf('/label/any'), await statusOf('/healthz')]).toEqual([403, 403, 200]);
  // Where everybody sees the pages of runs, nobody decides without a name.
  const anonymous = await visit(`${origin}/decision`, { method: 'POST', headers: { origin } });
  expect([anonymous.status, (await visit(`${origin}/policies`)).status]).toEqual([403, 200]);
});

it('paths lead to pages only, and other hosts to none', async () => {
  const { cookie } = await enter('Path');
  const paths = [
    '/assets/../app.ts',
    '/assets/%2e%2e/app.ts',
    '/assets/..%2fapp.ts',
    '/assets//etc/passwd',
    '/label/..%2f..%2fetc',
    '/label/%00',
    '/label/%ff',
    '/runs/..%2f..%2fetc%2fpasswd',
    '/runs/a%0d%0aSet-Cookie:%20x=y',
    '/runs/%00',
    '/runs/a/../../join',
    `/${'a'.repeat(8000)}`,
    '//attacker.test/',
    '/\\attacker.test',
  ];
  for (const path of paths)
    expect([path, await visitRaw(origin, path, { cookie })]).toEqual([path, expect.toSatisfy(isRefusal)]);
  expect(await visitRaw(origin, '/form', { cookie, host: 'attacker.test' })).toBe(421);
});

it('a request writes one line into the log, and no header of its own', async () => {
  const log = vi.spyOn(console, 'error').mockImplementation(() => {});
  try {
    const { status, headers } = await visit(`${origin}/broken/a%0d%0aselm:%20forged%1b[31m?token=secret`);
    expect([status, headers.get('selm')]).toEqual([500, null]);
    expect(log.mock.calls).toEqual([['selm: /broken/a selm: forged\\x1b[31m: It broke.']]);
  } finally {
    log.mockRestore();
  }
});

const isRefusal = (status: number) => status >= 400 && status < 500;

it('a flood by one person is refused with a time to wait, and disturbs nobody else', async () => {
  const { cookie } = await enter('Flood');
  const other = await enter('Quiet');
  const answers = await Promise.all(
    Array.from({ length: 150 }, () => visit(`${origin}/form`, { headers: { cookie } })),
  );
  const refused = answers.filter(({ status }) => status === 429);
  expect(refused.length).toBeGreaterThan(0);
  expect(answers.length - refused.length).toBeGreaterThanOrEqual(99);
  expect([refused[0].headers.get('retry-after'), refused[0].sentence]).toEqual([
    '1',
    'Too many requests: wait a moment and load the page again.',
  ]);
  expect((await visit(`${origin}/form`, { headers: { cookie: other.cookie } })).status).toBe(200);
});

it('whoever tries links is refused after a few, but a valid link is always let in', async () => {
  const at = await start();
  const statuses: number[] = [];
  for (let i = 0; i < 12; i++) statuses.push((await visit(`${at}/join?token=guess-${i}`)).status);
  expect(statuses).toEqual([...Array<number>(10).fill(403), 429, 429]);
  const { token } = await invitations.invite('Late', 1, false);
  expect((await visit(`${at}/join?token=${token}`)).status).toBe(303);
});
