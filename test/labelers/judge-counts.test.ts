/** What is counted of a judge's replies, and the advice on it. */
import { expect, test } from 'vitest';
import { adviceOnCounts } from '../../labelers/advice.ts';
import { countsOf } from '../../labelers/judge/counts.ts';
import { RequestRefused } from '../../openai/errors.ts';

const usage = { promptTokens: 3, completionTokens: 2 };
const reply = (text: string, finishReason = 'stop') => ({ text, finishReason, usage });

test.each([
  ['an answer without a verdict', reply('Both.'), { unparsed: 1 }, /^1 of the judge's answers have no verdict/],
  [
    'an empty answer',
    reply(''),
    { unparsed: 1, emptyAnswers: 1 },
    /^1 of the judge's answers are empty: it may have only/,
  ],
  [
    'one that is cut',
    reply('Let me', 'length'),
    { unparsed: 1, truncatedJudgements: 1 },
    /^1 .* were cut before a verdict/,
  ],
  ['one that a filter withholds', reply('', 'content_filter'), { refused: 1, unparsed: 0 }, /^1 .* were refused by it/],
  [
    'a request that is refused',
    new RequestRefused('The server rejected the request', { said: 'No.', isTooLong: false }),
    { refused: 1, unparsed: 0 },
    /^1 .* were refused by it/,
  ],
])('%s', (_, given, counted, advice) => {
  const counts = countsOf([given], [undefined]);
  expect(counts).toMatchObject({ judgements: 1, ...counted });
  expect(adviceOnCounts(counts)).toEqual([expect.stringMatching(advice)]);
});
