/** `selm doctor` and `selm evaluate` find held-out prompts that the runs behind a policy have trained on. */
import { cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { stringify } from 'yaml';
import { importPolicy } from '../../activities/policy.ts';
import { prepare } from '../../activities/prepare.ts';
import { release } from '../../activities/release.ts';
import { LocalStore } from '../../artifacts/local-store.ts';
import { loadConfig } from '../../config/load.ts';
import { writeJsonl } from '../../data/jsonl.ts';
import { estimateRun } from '../../workers/machine/estimate.ts';
import { testContext } from '../activities/context.ts';
import { selm } from '../command.ts';
import { tinyAdapter, tinyLimits, tinyModel, tinyPrompts } from '../tiny-model.ts';

const { folder, ...own } = testContext();
const home = join(folder, 'home');
const context = { ...own, store: new LocalStore(join(home, 'artifacts')) };
const model = tinyModel(join(folder, 'model'));
const file = (name: string) => join(folder, name);
beforeAll(async () => {
  vi.stubEnv('SELM_HOME', home);
  await writeJsonl(file('train.jsonl'), tinyPrompts(10));
  await writeJsonl(file('others.jsonl'), tinyPrompts(10, 10));
  await writeJsonl(file('held.jsonl'), tinyPrompts(2, 30));
  const { heldOut, rounds } = await prepare(
    context,
    {
      model,
      prompts: { train: file('train.jsonl'), heldOut: file('held.jsonl') },
      limits: tinyLimits,
      label: { by: 'verifier' },
      rounds: 1,
      seed: 0,
    },
    {},
  );
  const { address: policy } = await importPolicy(context, model, tinyAdapter);
  const prompts = rounds.map(({ address }) => address);
  const made = { policy, heldOut: heldOut.address, prompts, evaluations: [], lineage: { run: 'first' } };
  await release(context, { name: 'first', ...made }, {});
  cpSync(tinyAdapter, file('exported'), { recursive: true });
  writeFileSync(join(file('exported'), 'selm.json'), JSON.stringify({ policy }));
  writeFileSync(
    file('old.jsonl'),
    [...tinyPrompts(1, 40), ...tinyPrompts(2, 5)].map((row) => `${JSON.stringify(row)}\n`).join(''),
  );
});
afterAll(() => vi.unstubAllEnvs());

function estimate(adapter: string, prompts: object) {
  const run = {
    name: 'next',
    model: './model',
    adapter,
    prompts,
    sample: { maxNewTokens: 16 },
    evaluate: { maxNewTokens: 16 },
  };
  writeFileSync(file('next.yaml'), stringify(run));
  return estimateRun(loadConfig(file('next.yaml')), { tflops: 1 });
}

test.each(['first@1', './exported'])('selm doctor refuses them: adapter %s', async (adapter) => {
  const { problems } = await estimate(adapter, { train: './others.jsonl', heldOut: './old.jsonl' });
  expect(problems).toEqual([
    `Prompt 2 of ${file('old.jsonl')} ("p5") is held out, but an earlier run has trained on it and on 1 other: ` +
      `remove them from ${file('old.jsonl')}.`,
  ]);
  const fit = await estimate(adapter, { train: './others.jsonl', heldOut: './held.jsonl' });
  expect([fit.problems, fit.unknown]).toEqual([[], []]);
  const drawn = await estimate(adapter, { train: './train.jsonl', heldOut: 1 });
  expect(drawn.problems).toEqual([
    expect.stringMatching(/^Only 0 prompts of .* the others were trained on by an earlier run\.$/),
  ]);
});

test('selm doctor says what it cannot compare', async () => {
  const { problems, unknown } = await estimate('absent@1', { train: './others.jsonl', heldOut: './old.jsonl' });
  expect([problems, unknown]).toEqual([
    [],
    [
      'Held-out prompts are not compared with those that the start policy was trained on: ' +
        'the store of this machine does not have its release.',
    ],
  ]);
});

test('selm evaluate warns of them', async () => {
  const flags = [
    '--model',
    model,
    '--adapter',
    'first@1',
    '--by',
    'verifier',
    '--max-new-tokens',
    '4',
    '--out',
    file('out.json'),
  ];
  const evaluate = (prompts: string) => selm(['evaluate', ...flags, '--prompts', file(prompts)], { SELM_HOME: home });
  const warned = await evaluate('old.jsonl');
  expect(warned.code, warned.stderr).toBe(0);
  expect(warned.stderr).toContain(
    `selm: warning: the policy's runs have trained on 2 of the 3 prompts of ${file('old.jsonl')}: the results are not those of held-out prompts.\n`,
  );
  const fit = await evaluate('held.jsonl');
  expect([fit.code, fit.stderr]).not.toContain('warning');
});
