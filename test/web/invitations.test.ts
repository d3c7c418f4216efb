/** `selm label invite`, `invitations` and `revoke`, and the links on the pages of `selm ui`, by commands of their own processes. */
import { chmodSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join as joinPath } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Invitations, isValid } from '../../web/access/invitations.ts';
import { selm, startSelm, type Running } from '../command.ts';
import { startDevServer, type DevServer } from '../dev-server.ts';
import { temporaryFolder } from '../temporary.ts';
import { join, visit } from './pages.ts';

const folder = temporaryFolder();
const home = joinPath(folder, 'home');
const file = joinPath(home, 'people/invitations.json');
const keyFile = joinPath(home, 'people/key');
let server: DevServer;
let env: Record<string, string>;

beforeAll(async () => {
  server = await startDevServer();
  env = { SELM_HOME: home, TEMPORAL_ADDRESS: server.address };
});
afterAll(() => server?.stop());

const label = (...args: string[]) => selm(['label', ...args], env);
const tokenOf = (text: string) => /\/join\?token=([\w.-]+)/.exec(text)![1];

/** Starts `selm ui`. @returns its output so far, once it serves */
async function startUi(...flags: string[]): Promise<{ running: Running; origin: string; said: () => string }> {
  const running = startSelm(['ui', '--port', '0', ...flags], env);
  let said = '';
  running.process.stderr!.on('data', (data) => (said += data));
  const origin = await new Promise<string>((found, failed) => {
    running.process.stdout!.on('data', (data) => {
      said += data;
      const at = /Serving at (\S+)/.exec(said)?.[1];
      // A link of its own is printed after the address.
      if (at !== undefined && (!flags.includes('--operate') || said.includes('token='))) found(at);
    });
    void running.ended.then(({ stderr }) => failed(new Error(stderr)));
  });
  return { running, origin, said: () => said };
}

it("an invitation is a link, listed, and revoked; files are only this user's", async () => {
  const invited = await label('invite', 'Zoë', '--days', '2', '--url', 'https://labels.example.com');
  expect([invited.code, invited.stdout]).toEqual([
    0,
    expect.stringMatching(/^https:\/\/labels\.example\.com\/join\?token=[\w.-]+\n$/),
  ]);
  expect(invited.stderr).toMatch(/^The link signs in as "Zoë" until [^;]+; give it to nobody else\.\n$/);
  for (const path of [file, keyFile]) expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(readFileSync(file, 'utf8')).not.toContain(tokenOf(invited.stdout).split('.')[2]);

  // The same link again. Further flags would be of another invitation, and another name may be another person.
  expect(await label('invite', 'Zoë', '--url', 'https://labels.example.com')).toEqual(invited);
  const refused = await Promise.all(
    [['zoë'], ['Zoë', '--days', '2'], ['Zoë', '--operator']].map((args) => label('invite', ...args)),
  );
  for (const { code, stdout, stderr } of refused)
    expect([code, stdout, stderr]).toEqual([
      2,
      '',
      expect.stringMatching(
        /^selm: "Zoë" has an invitation until .*: selm label invite "Zoë" \(without --days and --operator\) shows its link, selm label revoke "Zoë" ends it\.\n$/,
      ),
    ]);
  const listed = JSON.parse((await label('invitations', '--json')).stdout) as { person: string; operator: boolean }[];
  expect(listed).toEqual([expect.objectContaining({ person: 'Zoë', operator: false })]);
  expect((await label('revoke', 'Zoë')).code).toBe(0);
  const next = await label('invite', 'Zoë', '--operator');
  expect(tokenOf(next.stdout)).not.toBe(tokenOf(invited.stdout));
  const shown = await label('invite', 'Zoë');
  expect([shown.stdout, shown.stderr]).toEqual([
    next.stdout,
    expect.stringMatching(/signs in as "Zoë", an operator, until/),
  ]);
  expect((await label('revoke', 'Zoë')).code).toBe(0);
  expect((await label('invitations')).stdout).toMatch(/^Zoë: labeler, revoked 20.*\nZoë: operator, revoked 20/);
  expect((await label('revoke', 'Zoë')).stderr).toBe(
    'selm: "Zoë" has no valid invitation; selm label invitations lists all.\n',
  );
});

it.each([
  ['a line end', 'a\r\nSet-Cookie: x=y'],
  ['markup', '<script>'],
  ['a path', '../etc'],
  ['nothing', ''],
  ['a space at the end', 'ann '],
  ['text that is written from right to left', 'ann\u202E'],
  ['invisible characters', 'ann\u200B'],
  ['a decomposed letter', 'Zoe\u0308'],
  ['too long a text', 'x'.repeat(101)],
])('a name with %s is refused', async (_, name) => {
  const invitations = new Invitations(home);
  const before = readFileSync(file, 'utf8');
  await expect(invitations.invite(name, 1, false)).rejects.toThrow(
    /is not a name for a person: give at most 100 letters/,
  );
  expect(readFileSync(file, 'utf8')).toBe(before);
});

it('commands at once lose no invitation', async () => {
  const names = Array.from({ length: 40 }, (_, i) => `person-${i}`);
  const other = joinPath(folder, 'other');
  // As many processes would: each has its own file descriptors of the lock.
  await Promise.all(names.map((name) => new Invitations(other).invite(name, 1, false)));
  const together = ['x', 'y', 'z'].map((name) => selm(['label', 'invite', name], { ...env, SELM_HOME: other }));
  expect((await Promise.all(together)).map(({ code }) => code)).toEqual([0, 0, 0]);
  const all = await new Invitations(other).list();
  expect(
    all
      .filter(isValid)
      .map(({ person }) => person)
      .sort(),
  ).toEqual([...names, 'x', 'y', 'z'].sort());
});

it('a damaged file is one sentence, and stays as it is', async () => {
  const damaged = joinPath(folder, 'damaged');
  const invitations = new Invitations(damaged);
  const { token } = await invitations.invite('Ann', 1, false);
  const [list, key] = ['invitations.json', 'key'].map((name) => joinPath(damaged, 'people', name));
  const text = readFileSync(list, 'utf8');
  for (const content of ['', '{', '[{}]', text.slice(0, -10), text.replace('"Ann"', '"A\\nB"')]) {
    writeFileSync(list, content);
    await expect(invitations.find(token)).rejects.toThrow(
      /invitations\.json is damaged: it is not a list of invitations;/,
    );
    await expect(invitations.invite('Bob', 1, false)).rejects.toThrow(/is damaged/);
    expect(readFileSync(list, 'utf8')).toBe(content);
  }
  writeFileSync(list, text);
  expect(await invitations.find(token)).toMatchObject({ person: 'Ann' });

  chmodSync(key, 0o644);
  await expect(invitations.find(token)).rejects.toThrow(/key can be read by other users of this machine: chmod 600 it/);
  chmodSync(key, 0o600);
  writeFileSync(key, 'short');
  await expect(invitations.find(token)).rejects.toThrow(/key is damaged: it must be 64 hexadecimal digits;/);
  expect(readFileSync(key, 'utf8')).toBe('short');
  rmSync(key);
  mkdirSync(key);
  await expect(invitations.find(token)).rejects.toThrow(/key is a folder; give a file/);
});

it('selm ui signs people in by their links, tells tokens to nobody, and ends sessions by selm label revoke', async () => {
  const { running, origin, said } = await startUi('--label', '--operate');
  const own = tokenOf(said());
  const operator = { cookie: await join(origin, own) };
  expect((await visit(`${origin}/policies`, { headers: operator })).text).toContain(
    `Signed in as ${userInfo().username}`,
  );

  const { stdout } = await label('invite', 'Tom', '--url', origin);
  const token = tokenOf(stdout);
  const cookie = await join(origin, token);
  expect((await visit(`${origin}/policies`, { headers: { cookie } })).text).toContain('Signed in as Tom');
  await visit(`${origin}/join?token=${token}x`);
  await visit(`${origin}/nothing?token=${token}`, { headers: { cookie } });
  // Errors are logged, with the path: no Temporal server has this run's workflow id.
  await visit(`${origin}/runs/nobody?token=${token}`, { headers: { cookie } });
  expect((await label('revoke', 'Tom')).code).toBe(0);
  expect((await visit(`${origin}/policies`, { headers: { cookie } })).text).not.toContain('Signed in');

  // A file that cannot be read lets nobody in, and is told in the log only.
  const text = readFileSync(file, 'utf8');
  writeFileSync(file, '{');
  const broken = await visit(`${origin}/policies`, { headers: operator });
  expect([broken.status, broken.sentence]).toEqual([500, 'This page failed to render; the log of selm ui says why.']);
  writeFileSync(file, text);
  running.process.kill('SIGTERM');
  const ended = await running.ended;
  expect([ended.code, ended.stderr]).toEqual([0, expect.stringContaining('invitations.json is damaged')]);
  expect(ended.stdout + ended.stderr).not.toContain(token.split('.')[2]);
  expect(ended.stdout).toMatch(/^Serving at http:\S+\nTo decide about runs, open http:\S+\/join\?token=\S+\n$/);
  // The link of one process is not one of the next.
  const next = await startUi('--operate');
  expect((await visit(`${next.origin}/join?token=${own}`)).status).toBe(403);
  next.running.process.kill('SIGTERM');
  await next.running.ended;
});

it('without flags nobody signs in; beyond this machine it says that nothing is encrypted', async () => {
  const plain = await startUi();
  expect((await visit(`${plain.origin}/join?token=x`)).status).toBe(404);
  expect((await visit(`${plain.origin}/label`)).status).toBe(404);
  plain.running.process.kill('SIGTERM');
  expect((await plain.running.ended).stderr).toBe('');

  const open = await startUi('--label', '--host', '0.0.0.0');
  const at = open.origin.replace('0.0.0.0', '127.0.0.1');
  expect([(await visit(`${at}/policies`)).status, (await visit(`${at}/`)).status]).toEqual([403, 403]);
  open.running.process.kill('SIGTERM');
  expect((await open.running.ended).stderr).toMatch(/^Connections are not encrypted: .*\n$/);
});

it('bad usage is one sentence', async () => {
  const uses: [string[], string][] = [
    [['invite', 'Ann', '--days', '0'], 'Give a number of days above 0, and at most 365.'],
    [['invite', 'Ann', '--url', 'ftp://x'], 'Give an address without a path, such as https://labels.example.com.'],
    [['invite', 'Ann', '--url', 'https://user@x.test'], 'Give an address without a path'],
    [['invite'], "missing required argument 'name'"],
    [['invites'], 'too many arguments'],
    [['--by', 'verifier', '--in', 'x.jsonl'], '--out is missing: selm label needs --in and --out.'],
  ];
  const ended = await Promise.all(uses.map(([args]) => label(...args)));
  expect(ended.map(({ code, stderr }) => [code, stderr])).toEqual(
    uses.map(([, sentence]) => [2, expect.stringContaining(sentence)]),
  );
});
