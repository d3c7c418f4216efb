import { describe, expect, test } from 'vitest';
import type { SampledRecord, Text } from '../../data/records.ts';
import { comparing } from '../../labelers/comparing.ts';
import type { Labeler, Verdict } from '../../labelers/labeler.ts';
import { candidatesOf, judge } from '../../labelers/labels.ts';
import { preferencesOf, sumStats } from '../../labelers/preferences.ts';
import { verifier } from '../../labelers/verifier/verifier.ts';
import { noTools } from './tools.ts';

/** Labels the rows and selects preferences. */
async function label(rows: SampledRecord[], labeler: Labeler) {
  return preferencesOf(
    rows,
    await judge(
      rows.map((row) => candidatesOf(row)),
      labeler,
    ),
  );
}

/** A labeler that applies a function to every response. */
const byRule = (name: string, verdictOf: (answer: string) => Verdict): Labeler => ({
  name,
  judge: async (prompts) => ({ verdicts: prompts.map(({ answers }) => answers.map(verdictOf)) }),
});

/** The score is the number at the end of the response. A response without a number has no score. */
function verdictOf(answer: string): Verdict {
  const score = Number(answer.split(' ').at(-1));
  return Number.isNaN(score) ? {} : { score };
}
const byNumber = byRule('by number', verdictOf);

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

test("the reference response is another policy's first answer, where its answers are given", async () => {
  const rows = [sampled('p', ['a 0.5', 'b 0.2']), sampled('q', ['c 1', 'd 1']), sampled('r', ['e 0', 'f 1'])];
  const others = [sampled('p', ['x 3', 'y 4']), sampled('q', ['z 5']), sampled('r', ['b 6'])];
  const { preferences } = preferencesOf(
    rows,
    await judge(
      rows.map((row) => candidatesOf(row)),
      byNumber,
    ),
    others,
  );
  expect(preferences.map(({ id, chosen, reference_response }) => [id, chosen, reference_response])).toEqual([
    ['p', 'a 0.5', 'x 3'],
    ['r', 'f 1', 'b 6'],
  ]);
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
  const likesEmpty = byRule('likes empty answers', (answer) => ({ score: answer.trim() ? 0.5 : 1 }));
  const hatesEmpty = byRule('hates empty answers', (answer) => ({ score: answer.trim() ? 0.5 : 0 }));

  test('is never chosen, however it scores', async () => {
    const { preferences, stats } = await label([sampled('p', ['', 'a']), sampled('q', [' ', '\n'])], likesEmpty);
    expect(preferences).toEqual([]);
    // The scores of the first prompt's responses differ: it is no tie.
    expect(stats.dropped).toEqual({ tie: 0, noAnswer: 2, callsAlone: 0, unjudged: 0, oneCandidate: 0 });
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
    dropped: { tie: 1, oneCandidate: 1, callsAlone: 0, unjudged: 0, noAnswer: 0 },
    answers: 8,
    truncated: 0,
    unjudged: 0,
    meanScore: (1 + 0 + 0 + 0 + 0.5 + 0.5 + 1 + 1) / 8,
  });
});

test('a labeler with an absolute measure gives a strict pass rate of the answers', async () => {
  const strict = byRule('strict', (answer) => ({ ...verdictOf(answer), pass: verdictOf(answer).score === 1 }));
  const { stats } = await label([sampled('p', ['a 1', 'b 0', 'c 0.9'], { chosen: 'd 1' })], strict);
  expect(stats.strictPassRate).toBeCloseTo(1 / 3);
});

test('every candidate text is judged once', async () => {
  const judged: string[][] = [];
  const spy: Labeler = {
    name: 'spy',
    judge: (prompts, options) => {
      judged.push(...prompts.map(({ answers }) => answers));
      return byNumber.judge(prompts, options);
    },
  };
  await label([sampled('p', ['a 1', 'b 0', 'a 1'], { chosen: 'b 0', rejected: 'c 0' })], spy);
  expect(judged).toEqual([['a 1', 'b 0', 'c 0']]);
});

describe('an answer without a judgement', () => {
  test('is neither chosen nor rejected, and counted', async () => {
    const rows = [
      sampled('some', ['a none', 'b 1', 'c 0', 'd none']),
      sampled('one', ['a none', 'b 1']),
      sampled('none', ['a none', 'b none'], { chosen: 'w 1', rejected: 'l none' }),
      sampled('blank', ['', 'b none']),
    ];
    const { preferences, stats } = await label(
      rows,
      byRule('by number', (answer) => (answer ? verdictOf(answer) : { score: 0 })),
    );
    expect(preferences).toMatchObject([{ id: 'some', chosen: 'b 1', rejected: 'c 0', reference_response: 'a none' }]);
    expect(stats).toMatchObject({
      dropped: { unjudged: 3, tie: 0, oneCandidate: 0, noAnswer: 0 },
      answers: 10,
      unjudged: 6,
      meanScore: (1 + 0 + 1 + 0) / 4,
    });
  });

  test('is what a score that is no number comes to', async () => {
    const scores: Record<string, number> = { nan: NaN, infinite: Infinity, a: 1, b: 0 };
    const { preferences, stats } = await label(
      [sampled('p', ['nan', 'a', 'b', 'infinite']), sampled('q', ['nan', 'a'])],
      byRule('divides by zero', (answer) => ({ score: scores[answer] })),
    );
    expect(preferences).toMatchObject([{ id: 'p', chosen: 'a', rejected: 'b' }]);
    expect(stats).toMatchObject({ unjudged: 3, dropped: { unjudged: 1 } });
  });

  test('leaves means that are numbers where nothing is judged', async () => {
    const { stats } = await label([sampled('p', ['a none', 'b none'])], byNumber);
    const judged = (await label([sampled('p', ['a 1', 'b 0'])], byNumber)).stats;
    expect(stats).toMatchObject({ meanScore: 0, answers: 2, unjudged: 2, dropped: { unjudged: 1 } });
    expect(sumStats([stats, judged])).toMatchObject({
      meanScore: 0.5,
      answers: 4,
      unjudged: 2,
      dropped: { unjudged: 1 },
    });
  });
});

test('verdicts that are too few are an error, not a shift', async () => {
  const forgetful: Labeler = { name: 'forgetful', judge: async () => ({ verdicts: [[{ score: 1 }]] }) };
  await expect(label([sampled('p', ['a', 'b'])], forgetful)).rejects.toThrow('gave 1 verdicts on 2 answers');
});

test('a labeler that compares is only asked about answers that differ: one alone has half of what there is to win', async () => {
  const asked: string[][] = [];
  const labeler: Labeler = {
    name: 'comparing',
    judge: async (prompts) => {
      asked.push(...prompts.map(({ answers }) => answers));
      return { verdicts: prompts.map(({ answers }) => answers.map((_, i) => ({ score: i }))) };
    },
  };
  const rows = [sampled('p', ['a', 'a']), sampled('q', ['a', 'b'])];
  const { labels } = await judge(
    rows.map((row) => candidatesOf(row)),
    comparing(labeler),
  );
  expect(asked).toEqual([['a', 'b']]);
  const tied = { score: 0.5 };
  expect(labels).toEqual([
    {
      id: 'p',
      candidates: [
        { index: 0, ...tied },
        { index: 1, ...tied },
      ],
    },
    {
      id: 'q',
      candidates: [
        { index: 0, score: 0 },
        { index: 1, score: 1 },
      ],
    },
  ]);
});

test('what a labeler counts is added up', async () => {
  const counting: Labeler = {
    name: 'counting',
    judge: async (prompts) => ({
      verdicts: prompts.map(({ answers }) => answers.map(() => ({ score: 1 }))),
      counts: { prompts: prompts.length, calls: 2 },
    }),
  };
  const parts = await Promise.all(
    [1, 3].map((count) =>
      label(
        Array.from({ length: count }, (_, i) => sampled(String(i), ['a', 'b'])),
        counting,
      ),
    ),
  );
  expect(parts[1].stats.counts).toEqual({ prompts: 3, calls: 2 });
  expect(sumStats(parts.map(({ stats }) => stats)).counts).toEqual({ prompts: 4, calls: 4 });
});

test('what is said of parts adds up to what is said of the whole', async () => {
  const rows = ['red, blue', 'green', 'a - b', 'no', 'three'].map((text, i): SampledRecord => ({
    id: String(i),
    prompt: 'Write without a comma.',
    instruction_id_list: ['punctuation:no_comma'],
    kwargs: [{}],
    responses: [text, `${text},`]
      .slice(0, 1 + (i % 2))
      .map((answer) => ({ text: answer, token_ids: [1], finish_reason: 'stop', logp: -1 })),
  }));
  const labeler = await verifier.create({ by: 'verifier' }, noTools);
  const statsOf = async (part: SampledRecord[]) => (await label(part, labeler)).stats;
  const whole = await statsOf(rows);
  const parts = sumStats(await Promise.all([rows.slice(0, 2), rows.slice(2)].map(statsOf)));
  expect(parts).toEqual({
    ...whole,
    meanScore: expect.closeTo(whole.meanScore),
    strictPassRate: expect.closeTo(whole.strictPassRate!),
  });
});
