/** Labeling on a real Temporal server, its worker killed in the middle: what is labeled is not judged again. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { readLabels } from '../../activities/label.ts';
import { LocalStore } from '../../artifacts/local-store.ts';
import { stepKey } from '../../artifacts/manifest.ts';
import type { RunStatus } from '../../workflows/status.ts';
import { selm, startSelm, summaryOf } from '../command.ts';
import { descendantsOf } from '../faults/processes.ts';
import { jsonl } from '../jsonl.ts';
import { temporaryFolder } from '../temporary.ts';
import { tinyModel, tinyPrompts } from '../tiny-model.ts';

const folder = temporaryFolder();
const path = (name: string) => join(folder, name);
const home = path('home');
mkdirSync(home);
afterAll(() => {
  const file = join(home, 'server.json');
  if (!existsSync(file)) return;
  try {
    process.kill((JSON.parse(readFileSync(file, 'utf8')) as { pid: number }).pid);
  } catch {
    // It has ended.
  }
});

/** Prefers long answers, notes each prompt that it is asked about, and waits at one of them. */
const LABELER = `
import { appendFileSync, existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
export default async ({ id }, answers) => {
  while (id === 'p3' && !existsSync(${JSON.stringify(path('go'))})) await sleep(20);
  appendFileSync(${JSON.stringify(path('judged'))}, id + '\\n');
  return answers.map(({ length }) => length);
};`;

test('a shard that is labeled when the worker dies is not judged again', async () => {
  tinyModel(path('model'));
  writeFileSync(path('labeler.js'), LABELER);
  writeFileSync(path('train.jsonl'), jsonl(tinyPrompts(20)));
  writeFileSync(path('held-out.jsonl'), jsonl(tinyPrompts(4, 100)));
  const config = {
    name: 'labeling',
    model: './model',
    prompts: { train: './train.jsonl', heldOut: './held-out.jsonl' },
    rounds: 1,
    sample: { samplesPerPrompt: 2, temperature: 1, maxNewTokens: 8, shardSize: 5 },
    label: { by: 'module', path: './labeler.js' },
    optimize: { learningRate: 1e-3, batchSize: 8 },
    evaluate: { maxNewTokens: 8 },
  };
  writeFileSync(path('run.yaml'), stringify(config));
  const run = startSelm(['run', path('run.yaml'), '--json'], { SELM_HOME: home });
  let said: string | undefined;
  void run.ended.then(({ stderr }) => (said = stderr));

  const store = new LocalStore(join(home, 'artifacts'));
  /** Shards that the store would find made. */
  const labeled = async () => {
    const made = (await store.list()).filter(({ manifest }) => manifest.recipe.step === 'label');
    const found = await Promise.all(made.map(({ manifest }) => store.find(stepKey(manifest.recipe))));
    return made.filter(({ address }) => found.includes(address));
  };
  while ((await labeled()).length < 3) {
    if (said !== undefined) throw new Error(`The run ended early: ${said}`);
    await sleep(50);
  }
  const done = (await Promise.all((await labeled()).map(({ address }) => readLabels(store, address)))).flat();
  expect(done).toHaveLength(15);
  const worker = descendantsOf(run.process.pid!).find(({ command }) => command.includes('workers/main.js control'))!;
  process.kill(worker.pid, 'SIGKILL');
  writeFileSync(path('go'), '');

  const ended = await run.ended;
  expect(ended.code, ended.stderr).toBe(0);
  expect(ended.stderr).toContain('The control worker ended (SIGKILL); starting another.');
  const { results } = summaryOf<RunStatus>(ended);
  expect(results[0].label.rows).toBe(20);
  const judged = readFileSync(path('judged'), 'utf8').trim().split('\n');
  const times = (id: string) => judged.filter((other) => other === id).length;
  expect(done.map(({ id }) => [id, times(id)])).toEqual(done.map(({ id }) => [id, 1]));
  // Of the shard that was under way, p3 had not been judged before.
  expect(times('p3')).toBe(1);
  // The answers of the start and of the new policy, each judged once, whatever they are compared with.
  expect(tinyPrompts(4, 100).map(({ id }) => times(id))).toEqual([2, 2, 2, 2]);

  const verified = await selm(['verify', 'labeling', '--json'], { SELM_HOME: home });
  expect(verified.code, verified.stderr).toBe(0);
});
