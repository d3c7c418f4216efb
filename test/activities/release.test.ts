import { cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { importPolicy } from '../../activities/policy.ts';
import { prepare, type PrepareInput, type PromptSet } from '../../activities/prepare.ts';
import { isPolicyName } from '../../artifacts/names.ts';
import { findRelease, release, releasesOf } from '../../activities/release.ts';
import { contentOf } from '../../data/conversation.ts';
import { InputError } from '../../data/errors.ts';
import { writeJsonl } from '../../data/jsonl.ts';
import { readPrompts } from '../../data/prompts.ts';
import { tinyAdapter, tinyLimits, tinyModel, tinyPrompts } from '../tiny-model.ts';
import { testContext } from './context.ts';

const context = testContext();
const model = tinyModel(join(context.folder, 'model'));
const train = join(context.folder, 'train.jsonl');
await writeJsonl(train, tinyPrompts(20));

const input: PrepareInput = {
  model,
  prompts: { train, heldOut: 4, perRound: 6 },
  limits: tinyLimits,
  label: { by: 'verifier' },
  rounds: 3,
  seed: 0,
};
const scheduled = (changes: Partial<PrepareInput> = {}) =>
  prepare(context, { ...input, continues: 'poet', ...changes }, {});
const idsOf = async ({ address }: PromptSet) =>
  (await readPrompts(join(await context.store.open(address), 'prompts.jsonl'))).map(({ id }) => id);

test('a name has no policy before its first release', async () => {
  expect(await releasesOf(context.store, 'poet')).toEqual([]);
  await expect(findRelease(context.store, 'poet@latest')).rejects.toThrow(
    new InputError('There is no policy "poet@latest": selm policies lists what there is.'),
  );
});

test.each([
  ['poet@latest', true],
  ['a..b@12', true],
  ['poet@0', false],
  ['..@1', false],
  ['.x@latest', false],
  ['-x@1', false],
  ['org/model@1', false],
  ['a@b@1', false],
])('%s reads as a version of a name: %s', (text, is) => expect(isPolicyName(text)).toBe(is));

test('a name that would be another file of the store is refused', async () => {
  const made = { policy: 'a'.repeat(64), heldOut: 'b'.repeat(64), prompts: [], evaluations: [], lineage: {} };
  for (const name of ['..', '.x', 'x/../..']) {
    await expect(release(context, { name, ...made }, {})).rejects.toThrow(
      new RegExp(`^"${name}" is not a policy's name: expected`),
    );
  }
});

test('the first run of a name has as many rounds as its prompts last, the next ones what is new', async () => {
  const first = await scheduled();
  expect(first.rounds.map(({ count }) => count)).toEqual([6, 6, 4]);
  expect(first.previous).toBeUndefined();

  const { address: policy } = await importPolicy(context, model, tinyAdapter);
  const prompts = first.rounds.slice(0, 2).map(({ address }) => address);
  const made = { policy, heldOut: first.heldOut.address, prompts, evaluations: [], lineage: { run: 'poet-1' } };
  expect(await release(context, { name: 'poet', ...made }, {})).toEqual({ version: 1 });
  // A retry of the activity does not create a second version.
  expect(await release(context, { name: 'poet', ...made }, {})).toEqual({ version: 1 });

  const second = await scheduled();
  expect(second.policy).toBe(policy);
  expect(second.heldOut).toEqual(first.heldOut);
  expect(second.rounds.map(({ count }) => count)).toEqual([4]);
  expect(await idsOf(second.rounds[0])).toEqual(await idsOf(first.rounds[2]));
  // Prompts that an earlier run has trained on or held out are not counted as dropped.
  expect(second.dropped.train).toMatchObject({ duplicates: 0, tooLong: 0, heldOut: 0 });
  const [held] = await readPrompts(join(await context.store.open(first.heldOut.address), 'prompts.jsonl'));
  const grown = join(context.folder, 'grown.jsonl');
  const respelled = { ...held, id: 'respelled', prompt: `${contentOf(held.prompt)}\n` };
  await writeJsonl(grown, [...tinyPrompts(20), respelled, { ...tinyPrompts(1)[0], id: 'again' }]);
  const third = await scheduled({ prompts: { ...input.prompts, train: grown } });
  expect(third.dropped.train).toMatchObject({ duplicates: 1, tooLong: 0, heldOut: 1 });
  expect((await idsOf(third.rounds[0])).sort()).toEqual((await idsOf(first.rounds[2])).sort());

  const rest = {
    heldOut: first.heldOut.address,
    prompts: [second.rounds[0].address],
    evaluations: [],
    lineage: { run: 'poet-2' },
  };
  expect(await release(context, { name: 'poet', policy, previous: second.previous!, ...rest }, {})).toEqual({
    version: 2,
  });
  expect((await releasesOf(context.store, 'poet')).map(({ release: { lineage } }) => lineage)).toEqual([
    { run: 'poet-2' },
    { run: 'poet-1' },
  ]);
  expect((await scheduled()).rounds).toEqual([]);
});

test('a held-out prompt that an earlier run of the name has trained on is refused', async () => {
  const heldOut = join(context.folder, 'held-out.jsonl');
  const [{ release: last }] = await releasesOf(context.store, 'poet');
  await writeJsonl(heldOut, await readPrompts(join(await context.store.open(last.prompts[0]), 'prompts.jsonl')));
  await expect(scheduled({ prompts: { train, heldOut } })).rejects.toThrow(
    /^Prompt \d of \S+held-out\.jsonl \("p\d+"\) is held out, but an earlier run has trained on it and on 3 others: remove them from \S+held-out\.jsonl\.$/,
  );
});

describe('the prompts that the start policy was trained on', () => {
  const exported = join(context.folder, 'exported');
  const others = join(context.folder, 'others.jsonl');
  const start = (changes: Partial<PrepareInput> = {}) =>
    prepare(context, { ...input, rounds: 1, prompts: { train, heldOut: 4, perRound: 6 }, ...changes }, {});
  let released: Promise<{ trained: string[]; policy: string }> | undefined;
  /** Releases first@1 once: the policy of a run that has trained on 12 of the 20 prompts. */
  const first = () =>
    (released ??= (async () => {
      const { rounds, heldOut } = await prepare(context, { ...input, rounds: 2 }, {});
      const { address: policy } = await importPolicy(context, model, tinyAdapter, { arguments: { run: 'first' } });
      const prompts = rounds.map(({ address }) => address);
      const made = { policy, heldOut: heldOut.address, prompts, evaluations: [], lineage: { run: 'first' } };
      await release(context, { name: 'first', ...made }, {});
      cpSync(tinyAdapter, exported, { recursive: true });
      writeFileSync(join(exported, 'selm.json'), JSON.stringify({ policy }));
      await writeJsonl(others, tinyPrompts(8, 20));
      return { trained: (await Promise.all(rounds.map(idsOf))).flat(), policy };
    })());

  test.each([['first@1'], ['first@latest'], [exported]])('are not held out: --adapter %s', async (adapter) => {
    const { trained } = await first();
    const drawn = await start({ adapter });
    expect((await idsOf(drawn.heldOut)).filter((id) => trained.includes(id))).toEqual([]);
    expect(drawn.heldOut.count).toBe(4);
    await expect(start({ adapter, prompts: { train, heldOut: 9 } })).rejects.toThrow(
      new InputError(
        `Only 8 prompts of ${train} can be held out, and prompts.heldOut is 9: the others were trained on by an earlier run.`,
      ),
    );
    // In another form, and with another id than the run has trained on.
    const heldOut = join(context.folder, 'old.jsonl');
    const [old] = tinyPrompts(20).filter(({ id }) => id === trained[0]);
    const prompt = [{ role: 'user', content: ` ${contentOf(old.prompt)}\n` }];
    await writeJsonl(heldOut, [...tinyPrompts(1, 30), { ...old, id: 'mine', prompt }]);
    await expect(start({ adapter, prompts: { train: others, heldOut } })).rejects.toThrow(
      new InputError(
        `Prompt 2 of ${heldOut} ("mine") is held out, but an earlier run has trained on it: remove it from ${heldOut}.`,
      ),
    );
  });

  test('are trained on again, except by a scheduled run', async () => {
    const { trained } = await first();
    const again = await start({ adapter: 'first@1', prompts: { train, heldOut: 4 } });
    expect((await idsOf(again.rounds[0])).filter((id) => trained.includes(id))).toHaveLength(trained.length);
    const scheduledRun = await start({ adapter: 'first@1', continues: 'weekly', prompts: { train, heldOut: 4 } });
    expect((await idsOf(scheduledRun.rounds[0])).filter((id) => trained.includes(id))).toEqual([]);
  });

  test('are those of all releases behind it', async () => {
    const { trained, policy } = await first();
    const second = await start({ adapter: exported, prompts: { train: others, heldOut: 4 } });
    const made = {
      policy,
      heldOut: second.heldOut.address,
      prompts: second.rounds.map(({ address }) => address),
      evaluations: [],
      lineage: { run: 'second' },
    };
    await release(context, { name: 'second', ...made, previous: second.previous! }, {});
    const whole = tinyModel(join(context.folder, 'whole'));
    writeFileSync(join(whole, 'selm.json'), JSON.stringify({ policy }));
    for (const from of [{ adapter: 'second@1' }, { model: whole }]) {
      const third = await start(from);
      expect((await idsOf(third.heldOut)).filter((id) => trained.includes(id))).toEqual([]);
    }
  });
});

test('a run starts from a version of a name, where that belongs to its model', async () => {
  const { address } = await importPolicy(context, model, tinyAdapter);
  expect((await prepare(context, { ...input, rounds: 1, adapter: 'poet@1' }, {})).policy).toBe(address);
  const other = tinyModel(join(context.folder, 'other'));
  writeFileSync(join(other, 'generation_config.json'), '{}');
  await expect(prepare(context, { ...input, rounds: 1, model: other, adapter: 'poet@1' }, {})).rejects.toThrow(
    new InputError(`poet@1 belongs to the model ${model}, not to ${other}: give that model.`),
  );
});
