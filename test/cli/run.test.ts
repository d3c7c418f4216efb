/** Whole runs on a real Temporal server, with real workers and engines, killed and stopped on the way. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { LocalStore } from '../../artifacts/local-store.ts';
import { runRounds } from '../../bench/study/rounds.ts';
import type { Manifest } from '../../artifacts/manifest.ts';
import { loadConfig } from '../../config/load.ts';
import type { RunStatus } from '../../workflows/status.ts';
import { selm, startSelm, summaryOf, type Running } from '../command.ts';
import { jsonl } from '../jsonl.ts';
import { temporaryFolder } from '../temporary.ts';
import { tinyModel, tinyPrompts } from '../tiny-model.ts';
import { startEngine } from '../../engine/backends.ts';

const folder = temporaryFolder();
const config = {
  name: 'tiny',
  model: './model',
  prompts: { train: './train.jsonl', heldOut: './held-out.jsonl', perRound: 48 },
  rounds: 2,
  sample: { samplesPerPrompt: 4, temperature: 1, maxNewTokens: 16, shardSize: 20 },
  // Long enough to be killed in the middle.
  optimize: { learningRate: 1e-3, batchSize: 4, epochs: 8, checkpointSeconds: 0.2, objective: { beta: 0.1 } },
  evaluate: { maxNewTokens: 16, shardSize: 8 },
  output: './policy',
};

const write = (name: string, text: string) => writeFileSync(join(folder, name), text);

function writeConfig(name: string, changes: object = {}): string {
  write(`${name}.yaml`, stringify({ ...config, name, ...changes }));
  return join(folder, `${name}.yaml`);
}

/** A home of its own: nothing made in another is found. */
function environment(home: string) {
  mkdirSync(join(folder, home));
  return { SELM_HOME: join(folder, home) };
}

const homes: string[] = [];
/** Ends the servers that killed runs have left. */
afterAll(() => {
  for (const home of homes) {
    const file = join(folder, home, 'server.json');
    if (!existsSync(file)) continue;
    try {
      process.kill((JSON.parse(readFileSync(file, 'utf8')) as { pid: number }).pid);
    } catch {
      // It has ended.
    }
  }
});

function freshHome(name: string) {
  homes.push(name);
  return environment(name);
}

const sha256 = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex');
const adapterHash = () => sha256(join(folder, 'policy', 'adapter_model.safetensors'));

/** Every file of a home's artifacts with its time: what was made again has another. */
function artifactTimes({ SELM_HOME }: { SELM_HOME: string }) {
  const root = join(SELM_HOME, 'artifacts');
  const files = readdirSync(root, { recursive: true }) as string[];
  return Object.fromEntries(
    files.map((file) => [file, statSync(join(root, file)).mtimeMs] as const).filter(([file]) => file.endsWith('.json')),
  );
}

const processesOf = (pattern: string): number[] => {
  try {
    return execFileSync('pgrep', ['-f', pattern], { encoding: 'utf8' }).trim().split('\n').map(Number);
  } catch {
    return [];
  }
};

/** Processes below `pid`, itself not included. */
function descendantsOf(pid: number): number[] {
  let children: number[] = [];
  try {
    children = execFileSync('pgrep', ['-P', String(pid)], { encoding: 'utf8' })
      .trim()
      .split('\n')
      .map(Number);
  } catch {
    return [];
  }
  return children.flatMap((child) => [child, ...descendantsOf(child)]);
}

const worker = (pid: number, role: string) =>
  processesOf(`workers/main.js ${role}`).find((found) => descendantsOf(pid).includes(found))!;

/** Waits until a run trains: a checkpoint is there. */
async function untilTraining({ ended }: Running, home: { SELM_HOME: string }): Promise<void> {
  let said: string | undefined;
  void ended.then(({ stderr }) => (said = stderr));
  while (!hasCheckpoint(home)) {
    if (said !== undefined) throw new Error(`The run ended before it was seen training: ${said}`);
    await sleep(50);
  }
}

/** Whether a training checkpoint is there: optimize is under way. */
const hasCheckpoint = ({ SELM_HOME }: { SELM_HOME: string }) => {
  const root = join(SELM_HOME, 'artifacts', 'checkpoints');
  return (
    existsSync(root) &&
    (readdirSync(root, { recursive: true }) as string[]).some((file) => file.endsWith('.safetensors'))
  );
};

let undisturbed: { status: RunStatus; adapter: string };
const home = freshHome('home');

beforeAll(async () => {
  tinyModel(join(folder, 'model'));
  write('train.jsonl', jsonl(tinyPrompts(100)));
  write('held-out.jsonl', jsonl(tinyPrompts(12, 1000)));
  const ended = await selm(['run', writeConfig('tiny'), '--json'], home);
  expect(ended.code, ended.stderr).toBe(0);
  expect(ended.stdout).toContain(`Released: tiny@1.\nThe policy is in ${join(folder, 'policy')}.\n`);
  undisturbed = { status: summaryOf(ended), adapter: adapterHash() };
});

describe('selm run', () => {
  it('ends with a policy from every round, compared on the held-out prompts with the start', () => {
    const { state, results, start } = undisturbed.status;
    expect(state).toBe('done');
    expect(start?.prompts).toBe(12);
    expect(results.map(({ round }) => round)).toEqual([1, 2]);
    for (const { evaluation, label, training } of results) {
      const { wins, ties, losses, winRate } = evaluation.against!;
      expect(wins + ties + losses).toBe(12);
      expect(winRate).toBeCloseTo((wins + ties / 2) / 12);
      expect(label.rows).toBe(48);
      expect(training['rewards/accuracies']).toBeGreaterThan(0.5);
    }
    const lineage = JSON.parse(readFileSync(join(folder, 'policy', 'selm.json'), 'utf8')) as { policy: string };
    expect(lineage.policy).toBe(results[1].policy);
  });

  it('does nothing again that is done', async () => {
    const before = artifactTimes(home);
    const ended = await selm(['run', join(folder, 'tiny.yaml'), '--json'], home);
    expect(ended.code, ended.stderr).toBe(0);
    expect(summaryOf<RunStatus>(ended).results).toEqual(undisturbed.status.results);
    expect(artifactTimes(home)).toEqual(before);
  });

  it('computes the same steps as the study in one process: each is cached', async () => {
    const engine = startEngine();
    try {
      const store = new LocalStore(join(home.SELM_HOME, 'artifacts'));
      const context = { store, engine, cacheFolder: folder };
      const before = artifactTimes(home);
      const { start, rounds, failed } = await runRounds(context, loadConfig(join(folder, 'tiny.yaml')), () => {});
      expect(failed).toBeUndefined();
      expect(start).toEqual(undisturbed.status.start);
      const { results } = undisturbed.status;
      expect(rounds).toMatchObject(results.map(({ round, label, evaluation }) => ({ round, label, evaluation })));
      expect(artifactTimes(home)).toEqual(before);
    } finally {
      await engine.close();
    }
  });

  it('shares the steps of another run, and rolls a round back that the gate does not accept', async () => {
    const gated = writeConfig('gated', { rounds: 1, evaluate: { ...config.evaluate, gate: { minWinRate: 1 } } });
    const before = artifactTimes(home);
    const ended = await selm(['run', gated, '--json'], home);
    expect(ended.code, ended.stderr).toBe(0);
    const { results, policy } = summaryOf<RunStatus>(ended);
    const reasons = [
      expect.stringMatching(/^Its win rate over the policy it started from is .* below minWinRate of 100\.0 %\.$/),
    ];
    expect(results).toEqual([{ ...undisturbed.status.results[0], accepted: false, reasons }]);
    expect(policy).not.toBe(results[0].policy);
    expect(artifactTimes(home)).toEqual(before);
  });

  it('only evaluates where nothing but the evaluation differs from another run', async () => {
    const shorter = writeConfig('shorter', { evaluate: { ...config.evaluate, maxNewTokens: 8 } });
    const before = artifactTimes(home);
    const ended = await selm(['run', shorter, '--json'], home);
    expect(ended.code, ended.stderr).toBe(0);
    const policies = summaryOf<RunStatus>(ended).results.map(({ policy }) => policy);
    expect(policies).toEqual(undisturbed.status.results.map(({ policy }) => policy));
    const made = Object.keys(artifactTimes(home)).filter((file) => !(file in before) && file.endsWith('manifest.json'));
    const recipes = made.map(
      (file) => (JSON.parse(readFileSync(join(home.SELM_HOME, 'artifacts', file), 'utf8')) as Manifest).recipe,
    );
    const sampling = recipes.filter(({ step }) => step === 'sample').map(({ parameters }) => parameters);
    expect(sampling).not.toEqual([]);
    expect(sampling).toEqual(
      sampling.map(() => expect.objectContaining({ settings: expect.objectContaining({ maxNewTokens: 8 }) as object })),
    );
    expect(new Set(recipes.map(({ step }) => step))).toEqual(
      new Set(['sample', 'divergence', 'labelHeldOut', 'evaluate', 'release']),
    );
  });

  it('is verified: every step done again comes to the same bytes', async () => {
    const verified = await selm(['verify', 'tiny', '--json'], home);
    expect(verified.code, verified.stderr).toBe(0);
    const { steps, same, different } = summaryOf<{ steps: number; same: number; different: string[] }>(verified);
    // Of both rounds: 3 shards of answers, of labels and of reference log-probabilities, prefer, optimize; 2 shards of answers, labels and divergences,
    // evaluate; the start's 2 shards of answers and of labels.
    expect([steps, same, different]).toEqual([40, 40, []]);
    const optimize = await selm(['verify', 'tiny@latest', '--round', '2', '--step', 'optimize'], home);
    expect(optimize.stdout).toBe('1 of 1 steps have the same bytes.\n');
  });

  it('keeps what a run or a name reaches when garbage is collected, and nothing else', async () => {
    const store = new LocalStore(join(home.SELM_HOME, 'artifacts'));
    const recipe = { step: 'import-prompts', parameters: {}, inputs: {}, seed: 0, engineVersion: '' };
    const orphan = await store.create('prompts', recipe, async (target) => writeFileSync(join(target, 'x'), 'x'));
    const collect = async (...flags: string[]) =>
      summaryOf<{ artifacts: string[] }>(await selm(['gc', '--json', ...flags], home)).artifacts;
    // What is younger than a minute may be needed.
    const hourAgo = new Date(Date.now() - 3600_000);
    utimesSync(join(home.SELM_HOME, 'artifacts', 'objects', orphan), hourAgo, hourAgo);
    expect(await collect()).toEqual([]);
    expect(await collect('--keep-days', '0')).toEqual([orphan]);
    const before = await store.list();
    expect(await collect('--keep-days', '0', '--delete')).toEqual([orphan]);
    expect(await store.list()).toEqual(before.filter(({ address }) => address !== orphan));
    expect((await selm(['verify', 'tiny'], home)).code).toBe(0);
    // Another folder's server does not know these runs: gc starts this folder's server to read them.
    const elsewhere = await selm(['gc', '--json', '--keep-days', '0', '--delete'], {
      ...home,
      SELM_HOME: join(folder, 'elsewhere'),
      SELM_STORE: join(home.SELM_HOME, 'artifacts'),
    });
    expect([elsewhere.code, summaryOf<{ artifacts: string[] }>(elsewhere).artifacts]).toEqual([0, []]);
    expect(elsewhere.stderr).toContain(`Reading the runs of ${home.SELM_HOME}.`);
    expect(await store.list()).toHaveLength(before.length - 1);
  });

  it('ends with one sentence and exit code 2 when a prompt cannot be checked', async () => {
    write('unknown.jsonl', jsonl([{ ...tinyPrompts(1, 5000)[0], instruction_id_list: ['no:such'], kwargs: [{}] }]));
    const path = writeConfig('bad', { prompts: { ...config.prompts, heldOut: './unknown.jsonl' } });
    const { code, stderr, stdout } = await selm(['run', path], home);
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr.trim().split('\n').at(-1)).toMatch(/^selm: .*p5000.*no:such/);
  });

  it('ends with one sentence and exit code 2 when the tokenizer is damaged', async () => {
    const model = tinyModel(join(folder, 'garbled'));
    write('garbled/tokenizer.json', '{"model": {"type": "BPE"}}');
    const { code, stderr } = await selm(['run', writeConfig('garbled', { model })], home);
    expect(code).toBe(2);
    expect(stderr.trim().split('\n').at(-1)).toContain(`selm: ${join(model, 'tokenizer.json')} is damaged`);
  });
});

// A dead worker is noticed when its heartbeats stop, which takes a while beside a run's own time.
describe('a run that is disturbed ends with the same adapter', () => {
  it('when its GPU worker is killed in the middle of optimize', async () => {
    const killed = freshHome('killed-worker');
    const run = startSelm(['run', join(folder, 'tiny.yaml'), '--json'], killed);
    await untilTraining(run, killed);
    process.kill(worker(run.process.pid!, 'gpu'), 'SIGKILL');
    const ended = await run.ended;
    expect(ended.code, ended.stderr).toBe(0);
    expect(ended.stderr).toContain('The gpu worker ended (SIGKILL); starting another.');
    expect(summaryOf<RunStatus>(ended).results).toEqual(undisturbed.status.results);
    expect(adapterHash()).toBe(undisturbed.adapter);
  });

  it('when everything is killed at once in the middle of optimize, and the same command run again', async () => {
    const killed = freshHome('killed-all');
    const run = startSelm(['run', join(folder, 'tiny.yaml')], killed);
    await untilTraining(run, killed);
    const { pid: server } = JSON.parse(readFileSync(join(killed.SELM_HOME, 'server.json'), 'utf8')) as { pid: number };
    for (const pid of [run.process.pid!, ...descendantsOf(run.process.pid!), server]) process.kill(pid, 'SIGKILL');
    await run.ended;
    const ended = await selm(['run', join(folder, 'tiny.yaml'), '--json'], killed);
    expect(ended.code, ended.stderr).toBe(0);
    expect(ended.stderr).toContain('Resuming run "tiny".');
    expect(adapterHash()).toBe(undisturbed.adapter);
  });

  it('when it is stopped with Ctrl-C, and the same command run again', async () => {
    const stopped = freshHome('stopped');
    const run = startSelm(['run', join(folder, 'tiny.yaml')], stopped);
    await untilTraining(run, stopped);
    run.process.kill('SIGINT');
    expect((await run.ended).code).toBe(130);
    const ended = await selm(['run', join(folder, 'tiny.yaml'), '--json'], stopped);
    expect(ended.code, ended.stderr).toBe(0);
    expect(ended.stderr).toContain('Resuming run "tiny".');
    expect(ended.stderr).not.toMatch(/shutting down|was stopped/);
    expect(summaryOf<RunStatus>(ended).results).toEqual(undisturbed.status.results);
    expect(adapterHash()).toBe(undisturbed.adapter);
  });
});
