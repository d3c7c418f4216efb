/** Runs by the clock, and the policies that they make: on a real server, with real workers. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { stringify } from 'yaml';
import type { RunStatus } from '../../workflows/status.ts';
import type { ScheduleSummary } from '../../workers/runs/schedules.ts';
import { selm, startSelm, summaryOf, type Running } from '../command.ts';
import { startDevServer, type DevServer } from '../dev-server.ts';
import { temporaryFolder } from '../temporary.ts';
import { tinyModel, tinyPrompts } from '../tiny-model.ts';

const folder = temporaryFolder();
const config = join(folder, 'nightly.yaml');
let server: DevServer;
let env: Record<string, string>;
const workers: Running[] = [];

const writePrompts = (...ranges: [count: number, from: number][]) =>
  writeFileSync(
    join(folder, 'train.jsonl'),
    ranges.flatMap(([count, from]) => tinyPrompts(count, from).map((row) => `${JSON.stringify(row)}\n`)).join(''),
  );

beforeAll(async () => {
  server = await startDevServer();
  env = { SELM_HOME: join(folder, 'home'), TEMPORAL_ADDRESS: server.address };
  tinyModel(join(folder, 'model'));
  writePrompts([48, 0]);
  const sample = { samplesPerPrompt: 4, temperature: 1, maxNewTokens: 12 };
  const optimize = { learningRate: 1e-3, batchSize: 8 };
  // Of the file's 30 prompts per round, the schedule makes 20.
  const prompts = { train: './train.jsonl', heldOut: 8, perRound: 30 };
  const evaluate = { maxNewTokens: 12 };
  writeFileSync(
    config,
    stringify({ name: 'nightly', model: './model', prompts, rounds: 3, sample, optimize, evaluate }),
  );
  workers.push(startSelm(['worker', '--role', 'control'], env), startSelm(['worker', '--role', 'gpu'], env));
});

afterAll(async () => {
  for (const { process, ended } of workers) {
    process.kill('SIGTERM');
    await ended;
  }
  server.stop();
});

async function done(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await selm(args, env);
  expect(code, stderr).toBe(0);
  return stdout.trim();
}

async function refusal(...args: string[]): Promise<string> {
  const { code, stderr } = await selm(args, env);
  expect(code, stderr).toBe(2);
  return stderr.trim();
}

const schedules = async () => JSON.parse(await done('schedule', 'list', '--json')) as ScheduleSummary[];

let lastRun: string | undefined;
/** Has the schedule start a run, and waits until that ends. */
async function runNow(): Promise<{ status: RunStatus; said: string }> {
  await done('schedule', 'trigger', 'nightly');
  const before = lastRun;
  await expect.poll(async () => (lastRun = (await schedules())[0].lastRun)).not.toBe(before);
  const watched = await selm(['watch', lastRun!, '--json'], env);
  expect(watched.code, watched.stderr).toBe(0);
  return { status: summaryOf<RunStatus>(watched), said: watched.stderr };
}

it('a schedule is created once, with a calendar that the server takes', async () => {
  expect(await refusal('schedule', 'create', config, '--cron', 'every day')).toBe(
    'selm: The schedule is not valid: CronString does not have 5-7 fields (--cron every day, --timezone UTC).',
  );
  const times = ['--cron', '30 3 * * 1', '--timezone', 'Europe/Berlin'];
  expect(await done('schedule', 'create', config, ...times, '--set', 'prompts.perRound=20')).toBe(
    'Schedule "nightly" is created: 30 3 * * 1 (Europe/Berlin).',
  );
  expect(await refusal('schedule', 'create', config, '--cron', '0 4 * * *')).toBe(
    'selm: There is a schedule named "nightly": delete it first.',
  );
  expect(await refusal('schedule', 'pause', 'weekly')).toBe('selm: There is no schedule named "weekly".');
});

it('it can be paused and resumed, and shows its next run', async () => {
  await done('schedule', 'pause', 'nightly');
  await expect.poll(schedules).toMatchObject([{ name: 'nightly', paused: true }]);
  await done('schedule', 'resume', 'nightly');
  await expect.poll(schedules).toMatchObject([{ name: 'nightly', paused: false }]);
  const [{ next }] = await schedules();
  const there = new Intl.DateTimeFormat('en', {
    timeZone: 'Europe/Berlin',
    weekday: 'long',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  });
  expect(there.format(new Date(next!))).toBe('Monday 03:30');
});

it('its first run takes the prompts there are, and gives its policy the first version of its name', async () => {
  const { status } = await runNow();
  expect(status).toMatchObject({ state: 'done', rounds: 2, version: 1 });
  expect(status.name).toBe(lastRun);
  expect(status.results.map(({ label }) => label.rows)).toEqual([20, 20]);
});

it('without new prompts the next run does nothing, and says so', async () => {
  const { status, said } = await runNow();
  expect(status).toMatchObject({ state: 'done', rounds: 0, results: [] });
  expect(status.version).toBeUndefined();
  expect(said).toContain('Runs of this name have used all prompts: nothing was done.');
});

it('with new ones it goes on from the last policy, with them alone, measured on the same held-out prompts', async () => {
  writePrompts([48, 0], [12, 100]);
  const { status } = await runNow();
  expect(status).toMatchObject({ state: 'done', rounds: 1, version: 2 });
  expect(status.results.map(({ label }) => label.rows)).toEqual([12]);
  const [first, second] = JSON.parse(await done('policies', 'nightly', '--json')) as {
    version: number;
    release: { policy: string; heldOut: string; previous?: string };
  }[];
  expect([first.version, second.version]).toEqual([1, 2]);
  expect(second.release.policy).toBe(status.policy);
  expect(second.release.heldOut).toBe(first.release.heldOut);
  expect([first.release.previous, typeof second.release.previous]).toEqual([undefined, 'string']);
  expect(await done('policies')).toMatch(/nightly@1.*\n.*nightly@2.* 1 of 1 /);
});

const evaluate = (policy: string, ...against: string[]) => [
  'evaluate',
  '--model',
  join(folder, 'model'),
  '--adapter',
  policy,
  '--prompts',
  join(folder, 'train.jsonl'),
  '--by',
  'verifier',
  '--max-new-tokens',
  '12',
  '--out',
  join(folder, `${policy}.json`),
  '--json',
  ...against,
];

it('policies are taken by name wherever an adapter is', async () => {
  const numbersOf = async (policy: string) => {
    const { out: _, ...numbers } = summaryOf<Record<string, unknown>>(await selm(evaluate(policy), env));
    return numbers;
  };
  const latest = await numbersOf('nightly@latest');
  expect(latest).toEqual(await numbersOf('nightly@2'));
  const first = await numbersOf('nightly@1');
  expect(latest).not.toEqual(first);
  const { against } = summaryOf<{ against: { opponent: { meanScore: number } } }>(
    await selm(evaluate('nightly@2', '--against-adapter', 'nightly@1'), env),
  );
  expect(against.opponent.meanScore).toBe(first['meanScore']);
  expect(await refusal(...evaluate('nightly@3'))).toBe(
    'selm: There is no policy "nightly@3": selm policies lists what there is.',
  );
});

it('deleted, it starts nothing any more', async () => {
  expect(await done('schedule', 'delete', 'nightly')).toBe('Schedule "nightly" is deleted.');
  await expect.poll(schedules).toEqual([]);
});
