/** Labels of responses that were truncated at the length limit, and the tokens of all other responses. */
import { describe, expect, test } from 'vitest';
import type { SampledRecord, Text, Tool } from '../../data/records.ts';
import type { Labeler } from '../../labelers/labeler.ts';
import { candidatesOf, judge } from '../../labelers/labels.ts';
import { preferencesOf, sumStats, type PreferenceOptions } from '../../labelers/preferences.ts';
import type { Truncated } from '../../labelers/truncated.ts';

/** Longer responses have higher scores. */
const byLength: Labeler = {
  name: 'by length',
  judge: async (prompts) => ({
    verdicts: prompts.map(({ answers }) => answers.map(({ length }) => ({ score: length }))),
  }),
};

type Answer = [text: string, ids: number[], finish?: 'length'];

const row = (
  answers: Answer[],
  more: { prompt?: Text; chosen?: Text; rejected?: Text; tools?: Tool[] } = {},
): SampledRecord => ({
  id: 'p',
  prompt: 'Say it.',
  prompt_input_ids: [7, 8, 9],
  ...more,
  responses: answers.map(([text, token_ids, finish_reason = 'stop']: [string, number[], ('stop' | 'length')?]) => ({
    text,
    token_ids,
    finish_reason,
  })),
});

async function label(rows: SampledRecord[], truncated: Truncated, options: PreferenceOptions = {}) {
  const labels = await judge(
    rows.map((one) => candidatesOf(one, truncated)),
    byLength,
  );
  return { ...labels, ...preferencesOf(rows, labels, rows, { truncated, ...options }) };
}

const CUT: Answer = ['the longest of all', [1, 2, 3], 'length'];
const MIDDLE: Answer = ['in between', [4, 5, 0]];
const SHORT: Answer = ['short', [6, 0]];

describe('a truncated answer', () => {
  test('is kept as it was sampled: nothing is added to its tokens', async () => {
    const { preferences, stats } = await label([row([CUT, MIDDLE, SHORT])], 'keep');
    expect(preferences).toEqual([
      {
        id: 'p',
        prompt: 'Say it.',
        chosen: 'the longest of all',
        rejected: 'short',
        reference_response: 'the longest of all',
        score_chosen: 18,
        score_rejected: 5,
        prompt_input_ids: [7, 8, 9],
        chosen_input_ids: [1, 2, 3],
        rejected_input_ids: [6, 0],
        reference_input_ids: [1, 2, 3],
      },
    ]);
    expect(stats).toMatchObject({ answers: 3, truncated: 1 });
  });

  test('may not be chosen with `reject`, but be rejected', async () => {
    const { preferences, stats } = await label([row([CUT, MIDDLE, SHORT])], 'reject');
    expect(preferences[0]).toMatchObject({ chosen_input_ids: [4, 5, 0], rejected_input_ids: [6, 0] });
    expect(stats).toMatchObject({ answers: 3, truncated: 1 });
    const shortest: Answer = ['cut', [3], 'length'];
    const { preferences: others } = await label([row([shortest, MIDDLE])], 'reject');
    expect(others[0]).toMatchObject({ chosen_input_ids: [4, 5, 0], rejected_input_ids: [3] });
  });

  test('says so beside its text if it has no tokens, after a prompt with tokens and without', async () => {
    const rows = [row([CUT, SHORT]), row([SHORT, ['cut', [3], 'length']])].map(({ prompt_input_ids, ...one }, i) => ({
      ...one,
      ...(i === 0 && { prompt_input_ids }),
      responses: one.responses.map(({ token_ids: _ids, ...response }) => response),
    }));
    const labels = await judge(
      rows.map((one) => candidatesOf(one)),
      byLength,
    );
    expect(preferencesOf(rows, labels).preferences).toEqual([
      {
        id: 'p',
        prompt: 'Say it.',
        chosen: 'the longest of all',
        rejected: 'short',
        reference_response: 'the longest of all',
        score_chosen: 18,
        score_rejected: 5,
        prompt_input_ids: [7, 8, 9],
        chosen_finish_reason: 'length',
        reference_finish_reason: 'length',
      },
      {
        id: 'p',
        prompt: 'Say it.',
        chosen: 'short',
        rejected: 'cut',
        reference_response: 'short',
        score_chosen: 5,
        score_rejected: 3,
        rejected_finish_reason: 'length',
      },
    ]);
  });

  test('that is all there is has nothing to be chosen beside it', async () => {
    const all: Answer[] = [CUT, ['also cut', [3], 'length']];
    expect((await label([row(all)], 'reject')).stats.dropped.noAnswer).toBe(1);
    expect((await label([row(all)], 'drop')).stats.dropped.oneCandidate).toBe(1);
  });

  test('that is better than the only response that may be chosen is no tie', async () => {
    const { dropped } = (await label([row([CUT, SHORT]), row([SHORT, ['equal', [8, 0]]])], 'reject')).stats;
    expect(dropped).toMatchObject({ noAnswer: 1, tie: 1 });
  });

  test('is no candidate with `drop`: the labeler does not see it, and the others keep their index', async () => {
    const seen: string[][] = [];
    const watching: Labeler = {
      name: 'watching',
      judge: (prompts, options) => {
        seen.push(...prompts.map(({ answers }) => answers));
        return byLength.judge(prompts, options);
      },
    };
    const rows = [row([CUT, MIDDLE, SHORT])];
    const { labels } = await judge(
      rows.map((one) => candidatesOf(one, 'drop')),
      watching,
    );
    expect(seen).toEqual([['in between', 'short']]);
    expect(labels[0].candidates).toEqual([
      { index: 1, score: 10 },
      { index: 2, score: 5 },
    ]);
    const { preferences, stats } = await label(rows, 'drop');
    expect(preferences[0]).toMatchObject({ chosen_input_ids: [4, 5, 0], rejected_input_ids: [6, 0] });
    // Means are over candidates only.
    expect(stats).toMatchObject({ answers: 2, truncated: 1, meanScore: 7.5, unjudged: 0 });
    expect(sumStats([stats, stats])).toMatchObject({ answers: 4, truncated: 2, meanScore: 7.5 });
  });
});

describe('candidates are told apart by their index', () => {
  test('of two answers with one text and different tokens the tokens of the one that was sampled first are trained on', async () => {
    const { preferences } = await label([row([SHORT, ['in between', [11, 0]], MIDDLE])], 'keep');
    expect(preferences[0]).toMatchObject({ chosen: 'in between', chosen_input_ids: [11, 0] });
  });

  test("the data set's own responses are encoded, and keep all of their messages", async () => {
    const chosen = [
      { role: 'assistant', content: 'the very first of two answers' },
      { role: 'user', content: 'More.' },
      { role: 'assistant', content: 'the second' },
    ];
    const encoded: unknown[] = [];
    const encode: PreferenceOptions['encode'] = ({ tools }, response) => {
      encoded.push([tools, response]);
      return { prompt: [7, 8, 9], response: [21, 22, 0], isPrefix: true };
    };
    const tools = [{ type: 'function' }];
    const { preferences } = await label([row([SHORT], { chosen, tools })], 'keep', { encode });
    expect(encoded).toEqual([[tools, chosen]]);
    expect(preferences[0]).toMatchObject({
      prompt: [{ role: 'user', content: 'Say it.' }],
      tools,
      chosen,
      rejected: [{ role: 'assistant', content: 'short' }],
      prompt_input_ids: [7, 8, 9],
      chosen_input_ids: [21, 22, 0],
      rejected_input_ids: [6, 0],
    });
  });

  test('a response that the template renders after another prompt has that prompt beside it', async () => {
    const { preferences } = await label([row([SHORT], { rejected: 'no' })], 'keep', {
      encode: () => ({ prompt: [7, 8], response: [21, 0], isPrefix: false }),
    });
    expect(preferences[0]).toMatchObject({
      prompt_input_ids: [7, 8, 9],
      chosen_input_ids: [6, 0],
      rejected_prompt_input_ids: [7, 8],
      rejected_input_ids: [21, 0],
    });
    expect(preferences[0]).not.toHaveProperty('chosen_prompt_input_ids');
  });

  test('without a model to encode it, a response has its text alone', async () => {
    const { preferences } = await label([row([SHORT], { rejected: 'no' })], 'keep');
    expect(preferences[0]).toMatchObject({ rejected: 'no', chosen_input_ids: [6, 0] });
    expect(preferences[0]).not.toHaveProperty('rejected_input_ids');
  });
});
