import { describe, expect, test } from 'vitest';
import type { SampledRecord, Text } from '../../data/records.ts';
import type { Labeler, Verdict } from '../../labelers/labeler.ts';
import { createLabeler } from '../../labelers/index.ts';
import { label, sumStats } from '../../labelers/preferences.ts';

/** Scores an answer by the number it ends in. */
const byNumber: Labeler = {
  name: 'by number',
  judge: (prompts) => Promise.resolve(prompts.map(({ answers }) => answers.map(verdictOf))),
};
function verdictOf(answer: string): Verdict {
  return { score: Number(answer.split(' ').at(-1)) };
}

function sampled(
  id: string,
  answers: string[],
  more: { prompt?: Text; chosen?: Text; rejected?: Text } = {},
): SampledRecord {
  const responses = answers.map((text) => ({ text, token_ids: [1], finish_reason: 'stop' as const, logp: -1 }));
  return { id, prompt: `prompt ${id}`, ...more, responses };
}

test('the best candidate is chosen, the worst rejected, the first answer the reference response', async () => {
  const { preferences } = await label([sampled('p', ['a 0.5', 'b 0.2', 'c 0.9'])], byNumber);
  expect(preferences).toEqual([
    {
      id: 'p',
      prompt: 'prompt p',
      chosen: 'c 0.9',
      rejected: 'b 0.2',
      reference_response: 'a 0.5',
      score_chosen: 0.9,
      score_rejected: 0.2,
    },
  ]);
});

test("the data set's own responses are candidates, but never the reference response", async () => {
  const own = { chosen: 'w 1', rejected: [{ role: 'assistant', content: 'l 0' }] };
  const { preferences } = await label([sampled('p', ['a 0.5'], own)], byNumber);
  expect(preferences[0]).toMatchObject({ chosen: 'w 1', rejected: 'l 0', reference_response: 'a 0.5' });
});

test('of equally scored candidates the first is taken', async () => {
  const { preferences } = await label([sampled('p', ['a 0', 'b 1', 'c 0', 'd 1'], { chosen: 'w 1' })], byNumber);
  expect(preferences[0]).toMatchObject({ chosen: 'b 1', rejected: 'a 0' });
});

test('a conversation gets conversational responses', async () => {
  const prompt = [{ role: 'user', content: 'Hi' }];
  const { preferences } = await label([sampled('p', ['a 1', 'b 0'], { prompt })], byNumber);
  expect(preferences[0]).toMatchObject({
    prompt,
    chosen: [{ role: 'assistant', content: 'a 1' }],
    rejected: [{ role: 'assistant', content: 'b 0' }],
    reference_response: [{ role: 'assistant', content: 'a 1' }],
  });
});

describe('an empty answer', () => {
  const likesEmpty: Labeler = {
    name: 'likes empty answers',
    judge: (prompts) =>
      Promise.resolve(prompts.map(({ answers }) => answers.map((a) => ({ score: a.trim() ? 0.5 : 1 })))),
  };
  const hatesEmpty: Labeler = {
    name: 'hates empty answers',
    judge: (prompts) =>
      Promise.resolve(prompts.map(({ answers }) => answers.map((a) => ({ score: a.trim() ? 0.5 : 0 })))),
  };

  test('is never chosen, however it scores', async () => {
    const { preferences, stats } = await label([sampled('p', ['', 'a']), sampled('q', [' ', '\n'])], likesEmpty);
    expect(preferences).toEqual([]);
    expect(stats.dropped).toEqual({ tie: 1, noAnswer: 1, oneCandidate: 0 });
  });

  test('may be rejected', async () => {
    const { preferences } = await label([sampled('p', ['', 'a'])], hatesEmpty);
    expect(preferences[0]).toMatchObject({ chosen: 'a', rejected: '', reference_response: '' });
  });
});

test('what carries no preference is dropped and counted, and all answers are in the means', async () => {
  const rows = [
    sampled('good', ['a 1', 'b 0', 'b 0', 'c 0']),
    sampled('tie', ['a 0.5', 'b 0.5'], { chosen: 'c 0.5' }),
    sampled('same', ['a 1', 'a 1'], { rejected: 'a 1' }),
  ];
  const { preferences, stats } = await label(rows, byNumber);
  expect(preferences.map(({ id }) => id)).toEqual(['good']);
  expect(stats).toEqual({
    rows: 3,
    preferences: 1,
    dropped: { tie: 1, oneCandidate: 1, noAnswer: 0 },
    answers: 8,
    meanScore: (1 + 0 + 0 + 0 + 0.5 + 0.5 + 1 + 1) / 8,
  });
});

test('a labeler with an absolute measure gives a strict pass rate of the answers', async () => {
  const strict: Labeler = {
    name: 'strict',
    judge: (prompts) =>
      Promise.resolve(
        prompts.map(({ answers }) => answers.map((a) => ({ ...verdictOf(a), pass: verdictOf(a).score === 1 }))),
      ),
  };
  const { stats } = await label([sampled('p', ['a 1', 'b 0', 'c 0.9'], { chosen: 'd 1' })], strict);
  expect(stats.strictPassRate).toBeCloseTo(1 / 3);
});

test('every candidate text is judged once', async () => {
  const judged: string[][] = [];
  const spy: Labeler = {
    name: 'spy',
    judge: (prompts) => {
      judged.push(...prompts.map(({ answers }) => answers));
      return byNumber.judge(prompts);
    },
  };
  await label([sampled('p', ['a 1', 'b 0', 'a 1'], { chosen: 'b 0', rejected: 'c 0' })], spy);
  expect(judged).toEqual([['a 1', 'b 0', 'c 0']]);
});

test('what is said of parts adds up to what is said of the whole', async () => {
  const rows = ['red, blue', 'green', 'a - b', 'no', 'three'].map((text, i): SampledRecord => ({
    id: String(i),
    prompt: 'Write without a comma.',
    instruction_id_list: ['punctuation:no_comma'],
    kwargs: [{}],
    responses: [text, `${text},`].slice(0, 1 + (i % 2)).map((answer) => ({ text: answer, token_ids: [1], finish_reason: 'stop', logp: -1 })), // prettier-ignore
  }));
  const labeler = createLabeler({ by: 'verifier' });
  const statsOf = async (part: SampledRecord[]) => (await label(part, labeler)).stats;
  const whole = await statsOf(rows);
  const parts = sumStats(await Promise.all([rows.slice(0, 2), rows.slice(2)].map(statsOf)));
  expect(parts).toEqual({ ...whole, meanScore: expect.closeTo(whole.meanScore), strictPassRate: expect.closeTo(whole.strictPassRate!) }); // prettier-ignore
});
