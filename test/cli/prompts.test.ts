/** A whole run on prompts of which some cannot be used: one is too long, one repeated, one held out in another spelling. */
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { listReleases } from '../../activities/release.ts';
import { LocalStore } from '../../artifacts/local-store.ts';
import type { RunConfig } from '../../config/run.ts';
import type { RunStatus } from '../../workflows/status.ts';
import { selm, summaryOf, type Ended } from '../command.ts';
import { temporaryFolder } from '../temporary.ts';

const folder = temporaryFolder();
const env = { SELM_HOME: join(folder, 'home') };
const file = (name: string) => join(folder, name);
const config = () => parse(readFileSync(file('run.yaml'), 'utf8')) as RunConfig;

function writeConfig(name: string, changes: object): string {
  writeFileSync(file(`${name}.yaml`), stringify({ ...config(), name, ...changes }));
  return file(`${name}.yaml`);
}

let ended: Ended;
beforeAll(async () => {
  cpSync(fileURLToPath(new URL('../fixtures/one-long-prompt', import.meta.url)), folder, { recursive: true });
  const more = [{ prompt: 'Question number 0, what is it?' }, { prompt: [{ role: 'user', content: 'Other  0? ' }] }];
  writeFileSync(file('train_long.jsonl'), more.map((row) => `${JSON.stringify(row)}\n`).join(''), { flag: 'a' });
  // With so many answers a round without a preference is not to be expected.
  const sample = { ...config().sample, samplesPerPrompt: 16 };
  ended = await selm(['run', writeConfig('dropping', { sample }), '--json'], env);
});

const DROPPED = {
  train: { duplicates: 1, tooLong: 1, limit: 504, heldOut: 1 },
  heldOut: { duplicates: 0, tooLong: 0, limit: 504 },
};
const NOTE = 'Dropped training prompts: 1 repeated, 1 longer than 504 tokens, 1 held out.';

it('ends, and says what it has left out', () => {
  expect(ended.code, ended.stderr).toBe(0);
  const { state, results, dropped } = summaryOf<RunStatus>(ended);
  expect([state, results.length]).toEqual(['done', 3]);
  expect(dropped).toEqual(DROPPED);
  expect(ended.stderr.split('\n')).toContain(NOTE);
  // Node's own, of what grows with the time that a run is watched.
  expect(ended.stderr).not.toContain('Warning');
});

it('shows it in its report, and keeps it with its release', async () => {
  const report = await selm(['report', 'dropping', '--out', file('report.html')], env);
  expect(report.code, report.stderr).toBe(0);
  expect(readFileSync(file('report.html'), 'utf8')).toContain(NOTE);
  const [{ release }] = await listReleases(new LocalStore(join(env.SELM_HOME, 'artifacts')), 'dropping');
  expect(release.lineage).toMatchObject({ dropped: DROPPED });
});

it('does not begin where prompts that are too long are to fail', async () => {
  const prompts = { ...config().prompts, tooLong: 'fail' };
  const failed = await selm(['run', writeConfig('failing', { prompts }), '--json'], env);
  expect([failed.code, failed.stdout]).toEqual([2, '']);
  expect(failed.stderr.trim().split('\n').at(-1)).toMatch(
    /^selm: Prompt 4 of \S+train_long\.jsonl \("long"\) has 1816 tokens, more than the 504 that sample\.maxNewTokens \(8\) leaves of the model's 512 positions \(it is the only one\): /,
  );
});
