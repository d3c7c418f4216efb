import { describe, expect, test } from 'vitest';
import { compare } from '../../activities/evaluate.ts';
import { InputError } from '../../data/errors.ts';
import type { SampledRecord } from '../../data/records.ts';
import { createLabeler } from '../../labelers/index.ts';

const verifier = createLabeler({ by: 'verifier' });

/** An answer to a prompt that asks for no commas and at least one "x". */
const answered = (id: string, text: string, tokens: number, logp: number): SampledRecord => ({
  id,
  prompt: `Prompt ${id}`,
  instruction_id_list: ['punctuation:no_comma', 'keywords:letter_frequency'],
  kwargs: [{}, { letter: 'x', let_frequency: 1, let_relation: 'at least' }],
  responses: [
    { text, token_ids: Array<number>(tokens).fill(1), finish_reason: 'stop', logp },
    // Only the first answer counts.
    { text: ',', token_ids: [1], finish_reason: 'stop', logp: -100 },
  ],
});

const own = [
  answered('a', 'box', 2, -1), // follows both: 1
  answered('b', 'ox', 3, -2), // 1
  answered('c', 'dog', 4, -3), // one: 0.5
  answered('d', ', ', 1, -4), // none: 0
];
const other = [
  answered('a', 'cat', 1, -9), // 0.5: own wins
  answered('b', 'fox', 2, -9), // 1: tie
  answered('c', 'x', 3, -9), // 1: own loses
  answered('d', 'no', 4, -9), // 0.5: own loses
];

describe('a policy alone', () => {
  test('has means over its first answers', async () => {
    const { comparison, rows } = await compare(verifier, own, undefined, 0);
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
  const logps = [[-1.5], [-2.5], [-2], [-5]];

  test('wins, ties and loses by the scores, and is so far away by the log-probabilities', async () => {
    const { comparison, rows } = await compare(verifier, own, { answered: other, logps }, 0);
    const { winRateInterval, ...against } = comparison.against!;
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
      // log pi(y) - log opponent(y): 0.5, 0.5, -1, 1.
      kl: 1 / 4,
      klPerToken: 1 / 10,
    });
    expect(winRateInterval.low).toBeGreaterThanOrEqual(0);
    expect(winRateInterval.low).toBeLessThan(1.5 / 4);
    expect(winRateInterval.high).toBeGreaterThan(1.5 / 4);
    expect(rows[0]).toEqual({ id: 'a', prompt: 'Prompt a', answer: 'box', score: 1, opponentAnswer: 'cat', opponentScore: 0.5 }); // prettier-ignore
  });

  test('with the same answers only ties', async () => {
    const same = own.map(({ responses }) => [responses[0].logp]);
    const { comparison } = await compare(verifier, own, { answered: own, logps: same }, 0);
    expect(comparison.against).toMatchObject({ wins: 0, ties: 4, losses: 0, winRate: 0.5, kl: 0 });
    expect(comparison.against!.winRateInterval).toEqual({ low: 0.5, high: 0.5 });
  });

  test('is refused if they did not answer the same prompts', async () => {
    const refusal = new InputError('The two policies did not answer the same prompts: sample both on one file.');
    for (const opponent of [other.slice(1), [...other].reverse()]) {
      await expect(compare(verifier, own, { answered: opponent, logps }, 0)).rejects.toThrow(refusal);
    }
  });
});
