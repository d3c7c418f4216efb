/** The step `ask`: which questions it selects, and the texts that the pages read for them. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ask, type AskInput } from '../../../activities/people/ask.ts';
import { readGuidelines, readQuestion, readQuestions } from '../../../activities/people/questions.ts';
import { recompute } from '../../../activities/recompute.ts';
import { writeJsonl } from '../../../data/jsonl.ts';
import { contentOf } from '../../../data/conversation.ts';
import type { AskSettings } from '../../../labelers/people/settings.ts';
import { temporaryFolder } from '../../temporary.ts';
import { testContext } from '../context.ts';
import { sampledRow, storeResponses } from './responses.ts';

const context = testContext();
const { store } = context;

const rows = Array.from({ length: 300 }, (_, i) => sampledRow(`p${i}`, [`a${i}`, `b${i}`, `c${i}`, `d${i}`]));
const random: AskSettings = { votes: 200, overlap: 0.1, strategy: 'random', randomShare: 0.2 };

const askFor = (responses: string[], more: Partial<AskInput> = {}) =>
  ask(context, { responses, policy: 'p', start: 'p', asking: random, beta: 0.1, seed: 1, threads: 1, ...more }, {});

const shards = await Promise.all([rows.slice(0, 100), rows.slice(100)].map((part) => storeResponses(store, part)));

const gold = Array.from({ length: 12 }, (_, i) => ({
  id: `g${i}`,
  prompt: `Gold ${i}?`,
  chosen: `right ${i}`,
  rejected: `wrong ${i}`,
}));
const guidance = await store.create(
  'guidance',
  { step: 'import-guidance', parameters: {}, inputs: {}, seed: 0 },
  async (folder) => {
    await writeFile(join(folder, 'guidelines.md'), '# Be fair\n');
    await writeJsonl(join(folder, 'gold.jsonl'), gold);
  },
);

describe('questions at random', () => {
  test('ask one of each prompt at most, with no more votes than wanted and a tenth of the questions three times', async () => {
    const { address, summary } = await askFor(shards);
    const records = await readQuestions(store, address);
    const votes = records.map((record) => record.votes!);
    // 167 + 2 · 17 = 201 votes would be one too many.
    expect(records).toHaveLength(166);
    expect(votes.filter((count) => count === 3)).toHaveLength(17);
    expect(votes.reduce((a, b) => a + b)).toBe(200);
    expect(new Set(records.map((record) => record.prompt_id)).size).toBe(166);
    expect(records.every((record) => record.random && record.gold === undefined)).toBe(true);
    expect(summary).toMatchObject({ prompts: 300, unaskable: 0, gold: [] });
    expect(summary.questions).toEqual(records.map(({ id, votes: of }) => ({ id, votes: of })));
    expect(new Set(records.map(({ id }) => id)).size).toBe(166);
  });

  test('come from all shards and pairs alike', async () => {
    const { address } = await askFor(shards, { asking: { ...random, votes: 300, overlap: 0 } });
    const records = await readQuestions(store, address);
    const counts = new Map<string, number>();
    for (const { candidates } of records) counts.set(`${candidates}`, (counts.get(`${candidates}`) ?? 0) + 1);
    expect([...counts.keys()].sort()).toEqual(['0,1', '0,2', '0,3', '1,2', '1,3', '2,3']);
    // 50 of each are expected, with a standard deviation of 6.5.
    expect(Math.max(...counts.values())).toBeLessThan(76);
    expect(records.filter(({ shard }) => shard === 0)).toHaveLength(100);
  });

  test('do not depend on the order of the prompts, nor on their shards', async () => {
    const other = await storeResponses(store, [...rows].reverse());
    const [here, there] = await Promise.all([askFor(shards), askFor([other])]);
    const withoutShard = async (address: string) =>
      (await readQuestions(store, address)).map((record) => ({ ...record, shard: undefined }));
    expect(await withoutShard(there.address)).toEqual(await withoutShard(here.address));
  });

  test('depend on the seed', async () => {
    const [one, two] = await Promise.all([askFor(shards), askFor(shards, { seed: 2 })]);
    expect((await readQuestions(store, one.address)).map((record) => record.prompt_id)).not.toEqual(
      (await readQuestions(store, two.address)).map((record) => record.prompt_id),
    );
  });

  test('can be computed again from their recipe', async () => {
    const { address } = await askFor(shards, { guidance, asking: { ...random, goldShare: 0.05 } });
    expect(await recompute(context, await store.manifest(address), temporaryFolder())).toBe(address);
  });
});

const only = async (row: Parameters<typeof sampledRow>, truncated?: AskInput['truncated']) => {
  const { address, summary } = await askFor(
    [await storeResponses(store, [sampledRow(...row), sampledRow('other', ['x', 'y'])])],
    {
      asking: { ...random, votes: 2, overlap: 0 },
      ...(truncated && { truncated }),
    },
  );
  const found = (await readQuestions(store, address)).find((record) => record.prompt_id === row[0]);
  return { asked: found?.candidates, summary };
};

describe('candidates', () => {
  test('are different texts that are not empty', async () => {
    expect((await only(['q', ['same', 'same', ' \n', '', 'other']])).asked).toEqual([0, 4]);
  });

  test("are the data set's own responses, too", async () => {
    expect((await only(['q', ['same', 'same'], { chosen: 'own' }])).asked).toEqual([0, 2]);
  });

  const cut = sampledRow('q', ['cut', 'cut off', 'whole']);
  cut.responses[0].finish_reason = 'length';
  cut.responses[1].finish_reason = 'length';

  test('are no truncated responses if these are dropped', async () => {
    const { asked, summary } = await only(['q', [], cut], 'drop');
    expect(asked).toBeUndefined();
    expect(summary).toMatchObject({ prompts: 2, unaskable: 1 });
  });

  test('are not two truncated responses if these are never chosen', async () => {
    expect((await only(['q', [], cut], 'reject')).asked).toContain(2);
    expect((await only(['q', [], { ...cut, responses: cut.responses.slice(0, 2) }], 'reject')).asked).toBeUndefined();
  });

  test('of no prompt are different: one sentence says what to do', async () => {
    const responses = [await storeResponses(store, [sampledRow('q', ['same', 'same'])])];
    await expect(askFor(responses)).rejects.toThrow(
      'None of 1 prompt has two different responses to compare: sample more responses per prompt, or at a higher temperature.',
    );
  });
});

describe('gold questions', () => {
  test('are spread evenly over the blocks, and cannot be told by their ids', async () => {
    const { address, summary } = await askFor(shards, { guidance, asking: { ...random, goldShare: 0.05 } });
    const records = await readQuestions(store, address);
    const golden = records.filter((record) => record.gold !== undefined);
    expect(golden).toHaveLength(Math.ceil(0.05 * 166));
    expect(summary.gold).toEqual(golden.map(({ id }) => id));
    expect(golden.every((record) => record.votes === undefined && !record.random)).toBe(true);
    expect(records.map(({ id }) => id)).toEqual(records.map((_, i) => `q${i + 1}`));
    for (const half of [records.slice(0, 88), records.slice(88)]) {
      const share = half.filter((record) => record.gold !== undefined).length;
      expect([4, 5]).toContain(share);
    }
  });

  test('have the known answer first or second', async () => {
    const { address } = await askFor(shards, { guidance, asking: { ...random, goldShare: 1 } });
    const golden = (await readQuestions(store, address)).filter((record) => record.gold !== undefined);
    expect(golden).toHaveLength(12);
    expect(new Set(golden.map((record) => record.gold)).size).toBe(2);
    for (const record of golden) {
      const { prompt, responses } = await readQuestion(store, address, record.id);
      const number = record.prompt_id.slice(1);
      expect(prompt).toBe(`Gold ${number}?`);
      expect(responses[record.gold!]).toBe(`right ${number}`);
      expect(responses[1 - record.gold!]).toBe(`wrong ${number}`);
    }
  });
});

describe('the texts of questions', () => {
  test('are those of their prompts and candidates, in every shard', async () => {
    const { address } = await askFor(shards);
    for (const { id, prompt_id: prompt, candidates } of await readQuestions(store, address)) {
      const texts = await readQuestion(store, address, id);
      const number = prompt.slice(1);
      expect(contentOf(texts.prompt)).toBe(`Write p${number}.`);
      expect(texts.responses).toEqual(candidates.map((index) => `${'abcd'[index]}${number}`));
    }
  });

  test('are read once for all voters', async () => {
    const { address } = await askFor(shards);
    let reads = 0;
    const counting = Object.assign(Object.create(store) as typeof store, {
      readText: (...given: Parameters<typeof store.readText>) => {
        reads++;
        return store.readText(...given);
      },
    });
    const ids = (await readQuestions(store, address)).map(({ id }) => id);
    await Promise.all(ids.map((id) => readQuestion(counting, address, id)));
    // The questions and two shards of responses.
    expect(reads).toBe(3);
  });

  test('of an unknown question are refused', async () => {
    const { address } = await askFor(shards);
    await expect(readQuestion(store, address, 'q9999')).rejects.toThrow(/^There is no question q9999 among/);
  });

  test('and the guidelines are in the artifact', async () => {
    const [without, with_] = [await askFor(shards), await askFor(shards, { guidance })];
    expect(await readGuidelines(store, without.address)).toBeUndefined();
    expect(await readGuidelines(store, with_.address)).toBe('# Be fair\n');
  });
});
