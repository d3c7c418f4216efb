/** Web pages for groups: headers as a load balancer signs them, its public keys on a TLS server, and requests to the real pages. */
import { createHmac, generateKeyPairSync, randomUUID, sign, type KeyObject } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { globalAgent, createServer } from 'node:https';
import { join } from 'node:path';
import type { AddressInfo } from 'node:net';
import { Client, Connection } from '@temporalio/client';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { openStore } from '../../workers/store.ts';
import { webApp } from '../../web/app.ts';
import { bySignIn, type SignIn } from '../../web/sign-in.ts';
import { selm } from '../command.ts';
import { temporaryFolder } from '../temporary.ts';
import { makeCertificates } from '../tls-proxy.ts';
import { noVotings } from './label/no-votings.ts';
import { servePages } from './pages.ts';

const folder = temporaryFolder();
const balancer = 'arn:aws:elasticloadbalancing:eu-central-1:111122223333:loadbalancer/app/selm/0123456789abcdef';
const issuer = 'https://login.example.com';
const values = ['alignment', 'reviewers'];
const pair = () => generateKeyPairSync('ec', { namedCurve: 'P-256' });
const [known, other] = [pair(), pair()];
const kid = randomUUID();
let origin: string;
let signIn: SignIn;
const closing: (() => void)[] = [];

/** As a load balancer writes it: base64url with padding, which other JWTs do not have. */
const encode = (content: Buffer | object) =>
  Buffer.from(Buffer.isBuffer(content) ? content : JSON.stringify(content))
    .toString('base64')
    .replaceAll('+', '-')
    .replaceAll('/', '_');

const inSeconds = (seconds: number) => Math.floor(Date.now() / 1000) + seconds;

/** The header x-amzn-oidc-data. */
function tokenOf(claims: object, header: object = {}, key: KeyObject = known.privateKey): string {
  const exp = inSeconds(120);
  const head = { alg: 'ES256', kid, signer: balancer, iss: issuer, client: 'selm', exp, ...header };
  const text = `${encode(head)}.${encode({ sub: 'user-1', exp, iss: issuer, ...claims })}`;
  return `${text}.${encode(sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' }))}`;
}

const visit = async (token?: string, path = '/policies') => {
  const response = await fetch(origin + path, { headers: token === undefined ? {} : { 'x-amzn-oidc-data': token } });
  const sentence = /class="warning">([^<]*)</.exec(await response.text())?.[1];
  return [response.status, sentence];
};

/** Serves the pages. @param settings of the sign-in, other than those of most tests @returns their address */
async function serveFor(settings: Partial<SignIn>): Promise<string> {
  // The pages of policies need no Temporal server.
  const client = new Client({ connection: Connection.lazy({ address: '127.0.0.1:1', connectTimeout: 1 }) });
  const access = bySignIn({ ...signIn, ...settings });
  const pages = await servePages(webApp(client, await openStore(), { access, label: noVotings, operate: true }));
  closing.push(pages.close, () => void client.connection.close());
  return pages.origin;
}

beforeAll(async () => {
  const { ca, server } = makeCertificates(folder);
  globalAgent.options.ca = readFileSync(ca);
  const pem = known.publicKey.export({ type: 'spki', format: 'pem' });
  const tls = { key: readFileSync(server.key), cert: readFileSync(server.cert) };
  const keys = createServer(tls, (request, response) =>
    request.url === `/${kid}` ? response.end(pem) : response.writeHead(404).end(),
  );
  keys.listen(0, '127.0.0.1');
  await once(keys, 'listening');
  vi.stubEnv('SELM_HOME', join(folder, 'home'));
  signIn = {
    balancer,
    issuer,
    clientId: 'selm',
    name: 'sub',
    groups: { claim: 'groups', values, labelers: ['raters'], operators: ['on-call'] },
    keys: `https://127.0.0.1:${(keys.address() as AddressInfo).port}`,
  };
  closing.push(() => keys.close());
  origin = await serveFor({});
});
afterAll(() => {
  delete globalAgent.options.ca;
  for (const close of closing) close();
});

it.each([
  ['a list', ['other', 'reviewers']],
  ['one name', 'alignment'],
  ["Cognito's text", '[other, alignment]'],
])('a user in a group sees the pages: %s', async (_, groups) => {
  const claims = { groups };
  expect(await visit(tokenOf(claims))).toEqual([200, undefined]);
});

const GROUP = 'You are signed in, but not in a group that may see these pages (claim &quot;groups&quot;).';
const INVALID = 'Your sign-in is not valid; load the page again.';
const member = { groups: ['alignment'] };
it.each([
  ['no group', () => tokenOf({}), GROUP],
  ['another group', () => tokenOf({ groups: ['alignment-visitors'] }), GROUP],
  ['a claim of another form', () => tokenOf({ groups: { alignment: true } }), GROUP],
  ['another key', () => tokenOf(member, {}, other.privateKey), INVALID],
  ['a key that the load balancer does not have', () => tokenOf(member, { kid: randomUUID() }), INVALID],
  ['another load balancer', () => tokenOf(member, { signer: balancer.replace('selm', 'else') }), INVALID],
  ['another client', () => tokenOf(member, { client: 'other' }), INVALID],
  ['another issuer', () => tokenOf({ ...member, iss: 'https://elsewhere.example.com' }), INVALID],
  ['no signature', () => tokenOf(member, { alg: 'none' }), INVALID],
  ['text that is no token', () => 'x.y.z', INVALID],
  [
    'an expired token',
    () => tokenOf({ ...member, exp: inSeconds(-1) }),
    'Your sign-in has expired; load the page again.',
  ],
])('%s is refused with one sentence', async (_, token, sentence) => {
  expect(await visit(token())).toEqual([403, sentence]);
});

/** What a user of a group may do: see runs and policies, vote, decide. */
async function powersOf(groups: string[]): Promise<boolean[]> {
  const token = tokenOf({ groups });
  const statuses = await Promise.all(['/policies', '/label', '/runs/x/retry'].map((path) => statusOf(token, path)));
  return statuses.map((status) => status !== 403);
}

const statusOf = async (token: string, path: string) => (await visit(token, path))[0] as number;

it('each group does what it is for', async () => {
  expect(await powersOf(['alignment'])).toEqual([true, false, false]);
  expect(await powersOf(['raters'])).toEqual([false, true, false]);
  expect(await powersOf(['raters', 'reviewers'])).toEqual([true, true, false]);
  expect(await powersOf(['on-call'])).toEqual([true, true, true]);
});

it('people are known by a claim that cannot be chosen freely', async () => {
  const labeler = { groups: ['raters'] };
  const named = async (claims: object) => (await visit(tokenOf({ ...labeler, ...claims }), '/nothing'))[1];
  expect(await named({})).toBe('There is no page /nothing.');
  for (const sub of ['', 'a\nb', '<b>', 'x'.repeat(101)])
    expect(await named({ sub })).toBe(
      'You are signed in, but your claim &quot;sub&quot; is missing, not verified, or cannot be a name here.',
    );
  // Who only sees pages needs no name.
  expect(await statusOf(tokenOf({ ...member, sub: '<b>' }), '/policies')).toBe(200);

  const byEmail = await serveFor({ name: 'email' });
  const emailed = async (claims: object) => {
    const token = tokenOf({ ...labeler, email: 'ann@example.com', ...claims });
    return (await fetch(`${byEmail}/nothing`, { headers: { 'x-amzn-oidc-data': token } })).status;
  };
  expect(await emailed({ email_verified: true })).toBe(404);
  expect(await emailed({ email_verified: 'true' })).toBe(404);
  expect(await emailed({})).toBe(404);
  expect([await emailed({ email: undefined }), await emailed({ email: 7 })]).toEqual([403, 403]);
  for (const verified of [false, 'false', null]) expect(await emailed({ email_verified: verified })).toBe(403);
});

it('a form is accepted with the token of the session and of the person only', async () => {
  const token = tokenOf({ groups: ['raters'] });
  const response = await fetch(`${origin}/nothing`, { headers: { 'x-amzn-oidc-data': token } });
  const [cookie] = response.headers.getSetCookie();
  expect(cookie).toMatch(/^__Host-selm-session=[\w-]{43}; Path=\/; HttpOnly; Secure; SameSite=Lax$/);
  const session = cookie.split(';')[0].split('=')[1];
  const csrfOf = (person: string) => createHmac('sha256', session).update(`csrf ${person}`).digest('base64url');
  const post = async (csrf: string, as = token, own = session) => {
    const headers = {
      'x-amzn-oidc-data': as,
      cookie: `__Host-selm-session=${own}`,
      origin: `https://${new URL(origin).host}`,
    };
    return (await fetch(`${origin}/nothing`, { method: 'POST', headers, body: new URLSearchParams({ _csrf: csrf }) }))
      .status;
  };
  expect(await post(csrfOf('user-1'))).toBe(404);
  expect(await post(csrfOf('user-2'))).toBe(403);
  expect(await post(csrfOf('user-1'), tokenOf({ groups: ['raters'], sub: 'user-2' }))).toBe(403);
  expect(await post(csrfOf('user-1'), token, 'x'.repeat(43))).toBe(403);
});

it("whoever signs out loses the load balancer's session too", async () => {
  const token = tokenOf({ groups: ['alignment'] });
  const page = await fetch(`${origin}/policies`, { headers: { 'x-amzn-oidc-data': token } });
  const [cookie] = page.headers.getSetCookie()[0].split(';');
  const [, csrf] = /action="\/sign-out"[^]*?name="_csrf" value="([^"]+)"/.exec(await page.text())!;
  const headers = { 'x-amzn-oidc-data': token, cookie, origin: `https://${new URL(origin).host}` };
  const body = new URLSearchParams({ _csrf: csrf });
  const left = await fetch(`${origin}/sign-out`, { method: 'POST', headers, body });
  expect([left.status, await left.text()]).toEqual([200, expect.stringContaining('sign out there too')]);
  const names = ['__Host-selm-session', ...[0, 1, 2, 3].map((part) => `AWSELBAuthSessionCookie-${part}`)];
  expect(left.headers.getSetCookie()).toEqual(names.map((name) => `${name}=; Max-Age=0; Path=/; Secure`));
});

it('a changed claim is refused', async () => {
  const [head, , signature] = tokenOf({ groups: ['other'] }).split('.');
  const [, claims] = tokenOf(member).split('.');
  expect(await visit(`${head}.${claims}.${signature}`)).toEqual([403, INVALID]);
});

it('no page is served without the header, but the health check', async () => {
  for (const path of ['/', '/policies', '/runs/a', '/nothing'])
    expect(await visit(undefined, path)).toEqual([
      403,
      'These pages are served only through the load balancer that signs users in.',
    ]);
  expect(await visit(undefined, '/healthz')).toEqual([200, undefined]);
});

it('pages whose restriction cannot be read are not served', async () => {
  const { code, stderr } = await selm(['ui', '--port', '0'], {
    SELM_UI_SIGN_IN: '{"claim":"groups"}',
    SELM_HOME: folder,
  });
  expect([code, stderr]).toEqual([
    2,
    'selm: SELM_UI_SIGN_IN is not valid: give JSON with balancer, issuer, clientId, name and groups; or unset it.\n',
  ]);
});
