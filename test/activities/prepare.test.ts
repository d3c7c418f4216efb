import { cpSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { prepare, type PrepareInput, type PromptSet } from '../../activities/prepare.ts';
import { openPolicyArtifact } from '../../activities/policy.ts';
import { benchmarkOf, type BenchmarkEntry } from '../../config/benchmarks.ts';
import { InputError } from '../../data/errors.ts';
import { writeJsonl } from '../../data/jsonl.ts';
import { readPrompts } from '../../data/prompts.ts';
import { otherAdapter, tinyAdapter, tinyLimits, tinyModel, tinyPrompts } from '../tiny-model.ts';
import { testContext } from './context.ts';

const context = testContext();
const model = tinyModel(join(context.folder, 'model'));
const train = join(context.folder, 'train.jsonl');
await writeJsonl(train, tinyPrompts(20));

const input: PrepareInput = {
  model,
  prompts: { train, heldOut: 5, perRound: 4 },
  limits: tinyLimits,
  label: { by: 'verifier' },
  rounds: 3,
  seed: 0,
};
const run = (changes: Partial<PrepareInput> = {}) => prepare(context, { ...input, ...changes }, {});
const idsOf = async ({ address }: PromptSet) =>
  (await readPrompts(join(await context.store.open(address), 'prompts.jsonl'))).map(({ id }) => id);

describe('the prompts', () => {
  test('are split into held-out ones and rounds that share none', async () => {
    const { heldOut, rounds } = await run();
    const parts = await Promise.all([heldOut, ...rounds].map(idsOf));
    expect(parts.map((ids) => ids.length)).toEqual([5, 4, 4, 4]);
    expect([heldOut, ...rounds].map(({ count }) => count)).toEqual([5, 4, 4, 4]);
    expect(new Set(parts.flat()).size).toBe(17);
  });

  test('are all used where a round has no size of its own', async () => {
    const { rounds } = await run({ prompts: { train, heldOut: 4 }, rounds: 4 });
    const parts = await Promise.all(rounds.map(idsOf));
    expect(parts.map((ids) => ids.length)).toEqual([4, 4, 4, 4]);
    expect(new Set(parts.flat()).size).toBe(16);
  });

  test('are split the same way for the same seed, another way for another', async () => {
    const first = await run();
    expect(await run()).toEqual(first);
    const { heldOut } = await run({ seed: 1 });
    expect((await idsOf(heldOut)).sort()).not.toEqual((await idsOf(first.heldOut)).sort());
  });

  test('keep their constraints', async () => {
    const { heldOut } = await run();
    const [stored] = await readPrompts(join(await context.store.open(heldOut.address), 'prompts.jsonl'));
    expect(stored).toEqual(tinyPrompts(20).find(({ id }) => id === stored.id));
  });

  test('held out in a file of their own are taken as they are, in their order', async () => {
    const heldOut = join(context.folder, 'held-out.jsonl');
    await writeJsonl(heldOut, tinyPrompts(3, 20));
    const prepared = await run({ prompts: { train, heldOut } });
    expect(await idsOf(prepared.heldOut)).toEqual(['p20', 'p21', 'p22']);
    expect(prepared.rounds.map(({ count }) => count)).toEqual([6, 6, 6]);
  });
});

describe('the prompts that a run leaves out', () => {
  test('are counted, and in none of its sets', async () => {
    const repeated = join(context.folder, 'repeated.jsonl');
    const [first] = tinyPrompts(1);
    const long = { ...first, id: 'long', prompt: 'a'.repeat(240) };
    await writeJsonl(repeated, [
      long,
      ...tinyPrompts(20),
      ...tinyPrompts(3),
      { ...first, id: 'spaced', prompt: 'Write  19.' },
    ]);
    const heldOut = join(context.folder, 'leak.jsonl');
    await writeJsonl(heldOut, [...tinyPrompts(2, 19), { ...first, id: 'again', prompt: 'Write 20.' }]);
    const prepared = await run({ prompts: { train: repeated, heldOut } });
    expect(prepared.dropped).toEqual({
      train: { duplicates: 3, tooLong: 1, limit: 240, heldOut: 2 },
      heldOut: { duplicates: 1, tooLong: 0, limit: 240 },
    });
    const parts = await Promise.all([prepared.heldOut, ...prepared.rounds].map(idsOf));
    expect(parts[0]).toEqual(['p19', 'p20']);
    expect(parts.slice(1).map((ids) => ids.length)).toEqual([6, 6, 6]);
    const trained = parts.slice(1).flat();
    expect(new Set(trained).size).toBe(18);
    expect(tinyPrompts(19).map(({ id }) => id)).toEqual(expect.arrayContaining(trained));
  });

  test('are none where there are none', async () => {
    const none = { duplicates: 0, tooLong: 0, limit: 240 };
    expect((await run()).dropped).toEqual({ train: { ...none, heldOut: 0 }, heldOut: none });
  });
});

describe('is refused before anything is computed:', () => {
  test('too few prompts for the rounds', async () => {
    await expect(run({ prompts: { train, heldOut: 5, perRound: 6 } })).rejects.toThrow(
      new InputError(
        `${train} leaves 15 prompts to train on, too few for 3 rounds of 6: lower rounds, prompts.perRound or prompts.heldOut.`,
      ),
    );
    await expect(run({ rounds: 16, prompts: { train, heldOut: 5 } })).rejects.toThrow(
      new InputError(
        `${train} leaves 15 prompts to train on, too few for 16 rounds of 1: lower rounds, prompts.perRound or prompts.heldOut.`,
      ),
    );
  });

  test('all prompts or more held out', async () => {
    for (const heldOut of [20, 21]) {
      await expect(run({ prompts: { train, heldOut } })).rejects.toThrow(
        new InputError(
          `${train} leaves 0 prompts to train on, too few for 3 rounds of 1: lower rounds, prompts.perRound or prompts.heldOut.`,
        ),
      );
    }
  });

  test('a file that holds out all of the training prompts', async () => {
    await expect(run({ prompts: { train, heldOut: train } })).rejects.toThrow(
      new InputError(
        `${train} leaves 0 prompts to train on (dropped: 20 held out), ` +
          `too few for 3 rounds of 1: lower rounds, prompts.perRound or prompts.heldOut.`,
      ),
    );
  });

  test('a prompt that is too long, where that is to fail', async () => {
    const limits = { ...tinyLimits, sample: { maxNewTokens: 250 } };
    await expect(run({ limits, prompts: { train, heldOut: 5, tooLong: 'fail' } })).rejects.toThrow(
      new InputError(
        `Prompt 1 of ${train} ("p0") has 11 tokens, more than the 6 that sample.maxNewTokens (250) ` +
          `leaves of the model's 256 positions (20 prompts are too long): ` +
          `remove what is too long, change that setting, or set prompts.tooLong: drop.`,
      ),
    );
  });

  test('a constraint that the labeler does not know', async () => {
    const unknown = join(context.folder, 'unknown.jsonl');
    await writeJsonl(unknown, [...tinyPrompts(19), { ...tinyPrompts(1, 19)[0], instruction_id_list: ['a', 'b'] }]);
    await expect(run({ prompts: { train: unknown, heldOut: 5 } })).rejects.toThrow(
      /^Prompt "p19" has the unknown instruction "a"; /,
    );
  });

  test('a benchmark whose prompts do not fit into the context of the model', async () => {
    const benchmarks = [benchmarkOf({ ifeval: { limit: 3, maxNewTokens: 250 } })];
    await expect(run({ benchmarks })).rejects.toThrow(
      new InputError(
        'The benchmark ifeval cannot run: Prompt 1 of ifeval ("1000") has 307 tokens, more than the 6 that ifeval.maxNewTokens (250) ' +
          "leaves of the model's 256 positions (3 prompts are too long): lower maxNewTokens of ifeval in evaluate.benchmarks, " +
          'or remove the benchmark.',
      ),
    );
  });

  test.each<[BenchmarkEntry, string]>([
    [
      { 'lm-eval': { tasks: ['mine'], includePath: '/nowhere' } },
      'lm-eval cannot run: The folder /nowhere cannot be read',
    ],
    [{ 'mt-bench': { questions: '/nowhere.jsonl' } }, 'mt-bench cannot run: /nowhere.jsonl does not exist'],
    [
      { 'alpaca-eval': { data: '/nowhere' } },
      'alpaca-eval cannot run: /nowhere/alpaca_eval_gpt4_baseline.json cannot be read',
    ],
  ])('the benchmark %j without its files', async (entry, said) => {
    await expect(run({ benchmarks: [benchmarkOf(entry)] })).rejects.toThrow(`The benchmark ${said}`);
  });

  test('a model whose weights are cut short', async () => {
    const cut = join(context.folder, 'cut');
    cpSync(model, cut, { recursive: true });
    truncateSync(join(cut, 'model.safetensors'), 100_000);
    await expect(run({ model: cut })).rejects.toThrow(InputError);
    await expect(run({ model: cut })).rejects.toThrow(join(cut, 'model.safetensors'));
  });

  test('an adapter of another model', async () => {
    await expect(run({ adapter: otherAdapter })).rejects.toThrow(InputError);
    await expect(run({ adapter: otherAdapter })).rejects.toThrow(otherAdapter);
  });
});

describe('the policy', () => {
  test('is the model by reference, so that nothing large is copied', async () => {
    const { policy } = await run();
    expect((await openPolicyArtifact(context.store, policy)).policy).toEqual({ model });
    const { files } = await context.store.manifest(policy);
    expect(files.map(({ path }) => path)).toEqual(['base.json', 'summary.json']);
  });

  test('is another if a file of the model changes', async () => {
    const changed = tinyModel(join(context.folder, 'changed'));
    const before = await run({ model: changed });
    const file = join(changed, 'generation_config.json');
    writeFileSync(file, readFileSync(file, 'utf8').replace('"use_cache": true', '"use_cache": false'));
    expect((await run({ model: changed })).policy).not.toBe(before.policy);
  });

  test('has the adapter with it', async () => {
    const { policy } = await run({ adapter: tinyAdapter });
    const opened = await openPolicyArtifact(context.store, policy);
    expect(opened.policy.model).toBe(model);
    for (const name of ['adapter_config.json', 'adapter_model.safetensors']) {
      expect(readFileSync(join(opened.policy.adapter!, name))).toEqual(readFileSync(join(tinyAdapter, name)));
    }
  });
});
