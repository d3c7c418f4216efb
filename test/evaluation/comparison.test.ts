import { describe, expect, test } from 'vitest';
import { compare, judgedAnswers } from '../../evaluation/comparison.ts';
import { InputError } from '../../data/errors.ts';
import type { AnsweredRecord, SampledRecord } from '../../data/records.ts';
import { firstAnswers, judge } from '../../labelers/labels.ts';
import { verifier } from '../../labelers/verifier/verifier.ts';
import { noTools } from '../labelers/tools.ts';

const labeler = await verifier.create({ by: 'verifier' }, noTools);

/** Answers with the verifier's verdicts; those of `without` get none. */
async function judged(rows: SampledRecord[], without: string[] = []) {
  const { labels } = await judge(
    rows.map((row) => firstAnswers(row)),
    labeler,
  );
  return judgedAnswers(rows, labels).map((answer) =>
    without.includes(answer.record.id) ? { ...answer, verdict: {} } : answer,
  );
}

/** An answer to a prompt that asks for no commas and at least one "x". */
const answered = (id: string, text: string, tokens: number): SampledRecord => ({
  id,
  prompt: `Prompt ${id}`,
  instruction_id_list: ['punctuation:no_comma', 'keywords:letter_frequency'],
  kwargs: [{}, { letter: 'x', let_frequency: 1, let_relation: 'at least' }],
  responses: [
    { text, token_ids: Array<number>(tokens).fill(1), finish_reason: 'stop' },
    // Only the first answer counts.
    { text: ',', token_ids: [1], finish_reason: 'stop' },
  ],
});

const own = [
  answered('a', 'box', 2), // follows both: 1
  answered('b', 'ox', 3), // 1
  answered('c', 'dog', 4), // one: 0.5
  answered('d', ', ', 1), // none: 0
];
const other = [
  answered('a', 'cat', 1), // 0.5: own wins
  answered('b', 'fox', 2), // 1: tie
  answered('c', 'x', 3), // 1: own loses
  answered('d', 'no', 4), // 0.5: own loses
];

describe('a policy alone', () => {
  test('has means over its first answers', async () => {
    const { comparison, rows } = compare(await judged(own), undefined, 0);
    expect(comparison).toEqual({
      prompts: 4,
      meanScore: (1 + 1 + 0.5 + 0) / 4,
      strictPassRate: 2 / 4,
      meanTokens: (2 + 3 + 4 + 1) / 4,
      meanCharacters: (3 + 2 + 3 + 2) / 4,
    });
    expect(rows[2]).toEqual({ id: 'c', prompt: 'Prompt c', answer: 'dog', score: 0.5 });
  });
});

describe('a policy against another', () => {
  const divergences = [0.5, 0.25, 1, 0.75].map((kl, i) => ({ id: own[i].id, kl: [kl], tokens: [2 * (i + 1)] }));

  test('wins, ties and loses by the scores, and is so far away by the divergences', async () => {
    const { comparison, rows } = compare(await judged(own), { judged: await judged(other), divergences }, 0);
    const { winRateInterval, klInterval, ...against } = comparison.against!;
    expect(against).toEqual({
      opponent: {
        prompts: 4,
        meanScore: (0.5 + 1 + 1 + 0.5) / 4,
        strictPassRate: 2 / 4,
        meanTokens: (1 + 2 + 3 + 4) / 4,
        meanCharacters: (3 + 3 + 1 + 2) / 4,
      },
      wins: 1,
      ties: 1,
      losses: 2,
      winRate: 1.5 / 4,
      kl: 2.5 / 4,
      klPerToken: 2.5 / 20,
    });
    expect(klInterval!.low).toBeGreaterThanOrEqual(0.25);
    expect(klInterval!.low).toBeLessThan(2.5 / 4);
    expect(klInterval!.high).toBeGreaterThan(2.5 / 4);
    expect(klInterval!.high).toBeLessThanOrEqual(1);
    expect(winRateInterval.low).toBeGreaterThanOrEqual(0);
    expect(winRateInterval.low).toBeLessThan(1.5 / 4);
    expect(winRateInterval.high).toBeGreaterThan(1.5 / 4);
    expect(rows[0]).toEqual({
      id: 'a',
      prompt: 'Prompt a',
      answer: 'box',
      score: 1,
      opponentAnswer: 'cat',
      opponentScore: 0.5,
    });
  });

  test('is so far away along sampled answers, of which a prompt has several', async () => {
    const sampledDivergences = [
      [1, 3],
      [0, 0],
      [2, 2],
      [5, 3],
    ].map((kl, i) => ({ id: own[i].id, kl, tokens: [4, 4] }));
    const opponent = { judged: await judged(other), divergences, sampledDivergences };
    const { kl, klSampled } = compare(await judged(own), opponent, 0).comparison.against!;
    expect(kl).toBe(2.5 / 4);
    expect(klSampled).toMatchObject({ kl: 16 / 8, klPerToken: 16 / 32 });
    // Prompts are drawn, and with each all its answers: their means are 2, 0, 2 and 4.
    expect(klSampled!.klInterval.low).toBeGreaterThanOrEqual(0);
    expect(klSampled!.klInterval.low).toBeLessThan(1);
    expect(klSampled!.klInterval.high).toBeGreaterThan(3);
  });

  test('differs in nothing where no answer has a token', async () => {
    const none = own.map(({ id }) => ({ id, kl: [0], tokens: [0] }));
    const { comparison } = compare(await judged(own), { judged: await judged(other), divergences: none }, 0);
    expect(comparison.against).toMatchObject({ kl: 0, klPerToken: 0, klInterval: { low: 0, high: 0 } });
  });

  test('with the same answers only ties', async () => {
    const { comparison } = compare(await judged(own), { judged: await judged(own) }, 0);
    expect(comparison.against).toMatchObject({ wins: 0, ties: 4, losses: 0, winRate: 0.5 });
    expect(comparison.against!.winRateInterval).toEqual({ low: 0.5, high: 0.5 });
  });

  test('has neither divergence nor tokens where the other is answers without them', async () => {
    const onFile: AnsweredRecord[] = other.map(({ responses: [{ text }], ...prompt }) => ({
      ...prompt,
      responses: [{ text }],
    }));
    const { labels } = await judge(
      onFile.map((row) => firstAnswers(row)),
      labeler,
    );
    const { comparison } = compare(await judged(own), { judged: judgedAnswers(onFile, labels) }, 0);
    const policies = compare(await judged(own), { judged: await judged(other), divergences }, 0).comparison;
    const { kl: _kl, klPerToken: _klPerToken, klInterval: _klInterval, ...against } = policies.against!;
    const { meanTokens: _meanTokens, ...opponent } = against.opponent;
    expect(comparison).toEqual({ ...policies, against: { ...against, opponent } });
  });

  test('is refused if they did not answer the same prompts', async () => {
    const refusal = new InputError('The two policies did not answer the same prompts: sample both on one file.');
    for (const opponent of [other.slice(1), [...other].reverse()]) {
      const [mine, theirs] = [await judged(own), await judged(opponent)];
      expect(() => compare(mine, { judged: theirs, divergences }, 0)).toThrow(refusal);
    }
  });

  test('neither wins nor loses where an answer got no judgement, which is counted', async () => {
    // Left are b, a tie, and d, a loss.
    const { comparison, rows } = compare(
      await judged(own, ['a']),
      { judged: await judged(other, ['a', 'c']), divergences },
      0,
    );
    expect(comparison).toMatchObject({ prompts: 4, unjudged: 1, meanScore: (1 + 0.5 + 0) / 3, strictPassRate: 1 / 3 });
    expect(comparison.against).toMatchObject({
      wins: 0,
      ties: 1,
      losses: 1,
      unjudged: 2,
      meanGain: -0.25,
      winRate: 0.25,
    });
    expect(comparison.against!.opponent).toMatchObject({ unjudged: 2, meanScore: (1 + 0.5) / 2 });
    expect(rows[0]).toEqual({ id: 'a', prompt: 'Prompt a', answer: 'box', opponentAnswer: 'cat' });
  });

  test('is refused if nothing is judged of both', async () => {
    const [mine, theirs] = [await judged(own, ['a', 'b']), await judged(other, ['c', 'd'])];
    expect(() => compare(mine, { judged: theirs, divergences }, 0)).toThrow(
      /^The labeler scored none of the responses: /,
    );
    const none = own.map((record) => ({ record, verdict: {} }));
    expect(() => compare(none, undefined, 0)).toThrow(InputError);
  });
});
