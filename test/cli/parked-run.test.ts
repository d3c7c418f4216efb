/** A run that waits for a decision after its `selm run` has ended: every command works on the folder's own server. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { stringify } from 'yaml';
import type { RunProgress } from '../../workers/runs/progress.ts';
import type { RunStatus } from '../../workflows/status.ts';
import { selm, summaryOf } from '../command.ts';
import { jsonl } from '../jsonl.ts';
import { temporaryFolder } from '../temporary.ts';
import { tinyModel, tinyPrompts } from '../tiny-model.ts';

const folder = temporaryFolder();
const env = { SELM_HOME: join(folder, 'home') };
const file = join(folder, 'run.yaml');

/** One answer a prompt: no preference can come of it. */
const config = {
  name: 'tiny',
  model: './model',
  prompts: { train: './train.jsonl', heldOut: './held-out.jsonl' },
  rounds: 2,
  sample: { maxNewTokens: 12, temperature: 1 },
  optimize: { learningRate: 1e-3, batchSize: 8 },
  evaluate: { maxNewTokens: 12 },
};
const write = (changes: object = {}) => writeFileSync(file, stringify({ ...config, ...changes }));

beforeAll(() => {
  tinyModel(join(folder, 'model'));
  writeFileSync(join(folder, 'train.jsonl'), jsonl(tinyPrompts(40)));
  writeFileSync(join(folder, 'held-out.jsonl'), jsonl(tinyPrompts(8, 1000)));
  write();
});

/** Whether a server runs on the home's database. */
const isServed = () =>
  execFileSync('ps', ['-A', '-o', 'args='], { encoding: 'utf8' }).includes(join(env.SELM_HOME, 'temporal.db'));

/** Nothing runs before or after a command. */
async function command(...args: string[]) {
  expect(isServed()).toBe(false);
  const ended = await selm(args, env);
  expect(isServed()).toBe(false);
  return ended;
}

async function done(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await command(...args);
  expect(code, stderr).toBe(0);
  return stdout.trim();
}

async function refusal(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await command(...args);
  expect([code, stdout], stderr).toEqual([2, '']);
  return stderr.trim();
}

it('selm run ends with exit code 3 and names the required decision if there is no terminal', async () => {
  const ended = await command('run', file, '--json');
  expect(ended.code, ended.stderr).toBe(3);
  expect(ended.stderr).toContain('The run waits for a decision: selm retry tiny | selm skip tiny | selm stop tiny');
  expect(summaryOf<RunStatus>(ended)).toMatchObject({ state: 'parked', failure: { round: 1, step: 'label' } });
  expect((await command('run', file)).code).toBe(3);
});

it('it can be looked at', async () => {
  const status = await done('status', 'tiny');
  expect(status).toContain('tiny: parked, round 1 of 2\n');
  expect(status).toMatch(/^Computed by ONNX Runtime with \d+ threads?: .* gives the same bits\.$/m);
  const watched = await command('watch', 'tiny');
  expect(watched.code).toBe(3);
  expect(watched.stderr).toContain('The run waits for a decision');
  expect(watched.stderr).toContain('No worker runs in this folder: the run continues with the next selm run.');
  await done('report', 'tiny', '--out', join(folder, 'tiny.html'));
  expect(existsSync(join(folder, 'tiny.html'))).toBe(true);
  expect(await refusal('status', 'nobody')).toBe('selm: There is no run named "nobody".');
});

it('decisions are taken or refused, and carried out by the next selm run', async () => {
  expect(await refusal('pause', 'tiny')).toBe('selm: Run "tiny" waits for a decision already: retry, skip or stop.');
  expect(await refusal('resume', 'tiny')).toBe('selm: Run "tiny" is not paused.');
  const skipped = await command('skip', 'tiny');
  expect(skipped).toMatchObject({ code: 0, stdout: 'Run "tiny" skips what has failed.\n' });
  expect(skipped.stderr).toBe('No worker runs in this folder: the run continues with the next selm run.\n');
  expect(summaryOf<RunProgress>(await command('status', 'tiny', '--json')).status).toMatchObject({
    skipped: [1],
    round: 2,
  });
  expect(await done('status', 'tiny')).toContain(
    'No worker runs in this folder: the run continues with the next selm run.',
  );
  expect(await done('pause', 'tiny')).toContain('pauses after the step in progress');
  const paused = await command('run', file, '--json');
  expect([paused.code, summaryOf<RunStatus>(paused).state]).toEqual([3, 'paused']);
  expect(paused.stderr).toContain('Paused: selm resume tiny');
  expect(await done('resume', 'tiny')).toBe('Run "tiny" is resumed.');
  const ended = await command('run', file, '--json');
  expect(ended.code, ended.stderr).toBe(3);
  expect(summaryOf<RunStatus>(ended)).toMatchObject({ state: 'parked', skipped: [1], failure: { round: 2 } });
});

it('an edited file is told by what differs, and what can be done', async () => {
  write({ sample: { ...config.sample, samplesPerPrompt: 4 }, rounds: 3 });
  expect(await refusal('run', file)).toBe(
    `selm: A run named "tiny" is in progress with another configuration: rounds is 2 there and 3 here; sample.samplesPerPrompt is 1 there and 4 here. --restart stops it and starts it again, reusing unchanged artifacts: selm run ${file} --restart`,
  );
  write({ sample: { ...config.sample, samplesPerPrompt: 4 } });
  expect(await refusal('run', file)).toMatch(/ \| selm run \S+run\.yaml --set sample\.samplesPerPrompt=4$/);
});

it('--set retries it with the setting, and the edited file is that of the run from then on', async () => {
  write({ sample: { ...config.sample, samplesPerPrompt: 4 } });
  const ended = await command('run', file, '--set', 'sample.samplesPerPrompt=4', '--json');
  expect(ended.code, ended.stderr).toBe(0);
  expect(summaryOf<RunStatus>(ended)).toMatchObject({ state: 'done', skipped: [1], results: [{ round: 2 }] });
});

/** Every artifact of the store with its time: what was made again has another. */
function artifactTimes(): Record<string, number> {
  const objects = join(env.SELM_HOME, 'artifacts', 'objects');
  return Object.fromEntries(readdirSync(objects).map((name) => [name, statSync(join(objects, name)).mtimeMs]));
}

it('selm run names the other unfinished runs of the folder', async () => {
  write();
  expect((await command('run', file)).code).toBe(3);
  write({ name: 'other' });
  const { code, stderr } = await command('run', file);
  expect(code, stderr).toBe(3);
  expect(stderr).toContain(
    'Run "tiny" is also unfinished: this machine runs its steps, too. To end it: selm stop tiny',
  );
  await done('stop', 'other');
});

it('--restart ends it and starts anew; what has not changed is reused', async () => {
  write();
  expect((await command('run', file)).code).toBe(3);
  const before = artifactTimes();
  write({ rounds: 1, sample: { ...config.sample, samplesPerPrompt: 4 } });
  const ended = await command('run', file, '--restart', '--json');
  expect(ended.code, ended.stderr).toBe(0);
  expect(summaryOf<RunStatus>(ended)).toMatchObject({ state: 'done', skipped: [], results: [{ round: 1 }] });
  expect(artifactTimes()).toMatchObject(before);
});

it('--set is compared with what a retry has set, not with what the run was started with', async () => {
  write({ name: 'changed', rounds: 1 });
  expect((await command('run', file, '--json')).code).toBe(3);
  const missing = 'label={by: module, path: ./missing.mjs}';
  expect(await refusal('retry', 'changed', '--set', missing)).toBe(
    `selm: --set label: ${join(process.cwd(), 'missing.mjs')} does not exist; correct the path.`,
  );
  await done('retry', 'changed', '--set', 'optimize.learningRate=0.5');
  // The file is as it was: the run goes on with what the retry has set.
  const again = await command('run', file, '--json');
  expect([again.code, again.stderr]).toEqual([3, expect.stringContaining('Resuming run "changed".')]);
  const ended = await command('run', file, '--set', 'optimize.learningRate=1e-3', '--json');
  expect(ended.code, ended.stderr).toBe(3);
  expect(summaryOf<RunStatus>(ended).changes!.map(({ settings }) => settings)).toEqual([
    { 'optimize.learningRate': 0.5 },
    { 'optimize.learningRate': 1e-3 },
  ]);
  await done('stop', 'changed');
});

it('a run is scheduled, and started for the next selm run', async () => {
  write({ name: 'later' });
  expect(await done('schedule', 'create', file, '--cron', '0 3 * * 1')).toContain('Schedule "later" is created');
  expect(await done('schedule', 'list')).toMatch(/^later: next run/);
  expect(await done('start', file)).toContain('Run "later" is started');
  const ended = await command('run', file, '--json');
  expect(ended.stderr).toContain('Resuming run "later".');
  expect(ended.code).toBe(3);
  expect(await done('stop', 'later')).toContain('stops after the step in progress');
  const { status } = summaryOf<RunProgress>(await command('status', 'later', '--json'));
  expect(status).toMatchObject({ state: 'stopped', results: [] });
});

it('the status of a run that failed says so, and why', async () => {
  write({ name: 'failed', prompts: { train: './absent.jsonl', heldOut: './held-out.jsonl' } });
  const problem = `${join(folder, 'absent.jsonl')} does not exist; check the path.`;
  const ended = await command('run', file, '--json');
  expect([ended.code, ended.stderr]).toEqual([2, expect.stringContaining(problem)]);
  expect(await done('status', 'failed')).toContain(`failed: failed. ${problem} selm run starts it again.`);
  expect(JSON.parse(await done('status', 'failed', '--json'))).toMatchObject({ failed: problem });
  expect((await command('watch', 'failed')).stderr).not.toContain('No worker runs');
  const all = await done('status');
  expect(all).toMatch(/│ failed +│ failed +│ +│ \d{4}-\d\d-\d\d \d\d:\d\d UTC │/);
  expect(all).toContain(`\nfailed: ${problem}`);
});
